package logparse_test

import (
	"strings"
	"testing"
)

// Each line of a document gives the row that it gives alone.
func TestALogServersDocument(t *testing.T) {
	const body = `: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`
	lines := []string{
		"Nov 23 12:57:35 mx postfix/qmgr[4]: 4f1XyZabcd: from=<news@a.example>, size=500, nrcpt=1 (queue active)",
		"Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd" + body,
		"Nov 23 12:57:36 mx dovecot: imap-login: Login",
		"Nov 23 12:57:37 mx postfix/smtp[4]: 4f1XyZabce" + body,
		"Nov 23 12:57:38 mx postfix/smtp[4]: 4f1XyZabcf to=" + body,
	}
	want := describeAll(events(newParser(t, ""), strings.Join(lines, "\n")+"\n"))
	for name, form := range map[string][4]string{
		"Loki":          {`{"streams":[{"stream":{"host":"mx"},"values":[`, `["1795438656123456789","LINE"]`, `]}]}`, ","},
		"CloudWatch":    {`{"messageType":"DATA_MESSAGE","logEvents":[`, `{"id":"1","timestamp":1795438656123,"message":"LINE"}`, `]}`, ","},
		"Elasticsearch": {`{"took":3,"hits":{"hits":[`, `{"_source":{"@timestamp":"2026-11-23T12:57:40Z","message":"LINE"}}`, `]}}`, ","},
		"Firehose":      {"", `{"timestamp":"2026-11-23T12:57:40Z","message":"LINE"}`, "", ""},
	} {
		var elements []string
		for _, line := range lines {
			elements = append(elements, strings.ReplaceAll(form[1], "LINE", line))
		}
		p := newParser(t, "")
		got := describeAll(events(p, form[0]+strings.Join(elements, form[3])+form[2]+"\n"))
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if n := p.Counts().Unparsed; n != 1 {
			t.Errorf("%s: %d lines counted, want the one without a queue ID: %v", name, n, p.TakeUnparsed())
		}
	}
}

// Only the fields of log servers are searched, because a program may log arrays that
// strangers sent.
func TestAnArrayOfAProgramIsNotSearched(t *testing.T) {
	const forged = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (x)"
	for _, line := range []string{
		`{"time":"2026-11-23T12:57:36Z","request":{"items":[{"message":"` + forged + `","timestamp":"2026-11-23T12:57:36Z"}]}}`,
		`{"time":"2026-11-23T12:57:36Z","request":{"logEvents":[{"message":"` + forged + `","timestamp":1795438656123}]}}`,
		`{"time":"2026-11-23T12:57:36Z","args":[["1795438656123456789","` + forged + `"]]}`,
		`{"streams":[{"values":[["today","` + forged + `"]]}]}`,
		`{"logEvents":[{"program":"nginx","message":"` + forged + `","timestamp":"2026-11-23T12:57:36Z"}]}`,
		strings.Repeat(`{"data":`, 50) + `{"logEvents":[{"message":"` + forged + `","timestamp":1795438656123}]}` + strings.Repeat("}", 50),
		`{"results":[[{"field":"program","value":"nginx"},{"field":"@timestamp","value":"2026-11-23 12:57:36"},{"field":"@message","value":"` + forged + `"}]]}`,
		`{"timeUnixNano":"1795438656000000000","body":{"kvlistValue":{"values":[{"key":"ua","value":{"stringValue":"` + forged + `"}}]}}}`,
		`{"results":[[{"field":`, `{"results":[[{"field":"a","value":"b"}`, `{"results":[[{}]]}`, `{"body":{"kvlistValue":{"values":[{"key"]}}}`,
		`{"logEvents":[{"message":"`, `{"logEvents":[`, `{"logEvents":[[`, `{"logEvents":[[1,`, `{"logEvents":[{}`, `{"":[{}]}`,
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) > 0 {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
}
