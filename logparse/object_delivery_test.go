package logparse_test

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// A parser of logs has put a line of Postfix into the fields of an object.
func TestDeliveriesInFields(t *testing.T) {
	const object = `{"time":"Nov 23 12:57:36","hostname":"mx","process":"postfix/smtp[474]","queue_id":"4f1XyZabcd","to":"a@b.example","domain":"b.example","orig_to":"i@b.example","relay":"mx.b.example[192.0.2.1]:25","conn_use":2,"delay":0.58,"delays":"0.11/0.03/0.23/0.20","dsn":"5.1.1","status":"bounced","status_detail":"(host mx.b.example[192.0.2.1] said: 550 5.1.1 \"no\" (in reply to RCPT TO command))"}`
	const want = `2026-11-23T12:57:36Z postfix attempt host="mx" id="4f1XyZabcd" to="a@b.example" orig="i@b.example" outcome="bounced" transport="smtp" dsn="5.1.1" code="550" enhanced="5.1.1" stage="RCPT TO" relay="mx.b.example" ip="192.0.2.1" port="25" text="550 5.1.1 \"no\""`
	for _, before := range []string{"", "2026-11-23 12:57:36 +0000 postfix.maillog: ", "2026-11-23T12:57:36+00:00\tpostfix.maillog\t"} {
		p := newParser(t, "")
		if got := describeAll(events(p, before+object+"\n")); len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %v, want %s; not parsed: %v", before, got, want, p.TakeUnparsed())
		}
	}
	const reason = `host mx.b.example[192.0.2.1] said: 550 5.1.1 \"no\" (in reply to RCPT TO command)`
	for _, alike := range []string{
		strings.ReplaceAll(object, `"a@b.example"`, `"<a@b.example>"`),
		`{"date":"Nov 23 12:57:36","host":"mx","prog":"postfix/smtp","qid":"4f1XyZabcd","to":"a@b.example","orig_to":"i@b.example","relay":"mx.b.example[192.0.2.1]:25","dsn":"5.1.1","status":"bounced (` + reason + `)"}`,
		`{"host": "mx","process": "postfix/smtp","pid": "474","queue_id": "4f1XyZabcd","to_address": "a@b.example","orig_to":"i@b.example","relay": "mx.b.example[192.0.2.1]:25","dsn": "5.1.1","status": "bounced","message": "` + reason + `","timestamp": "1795438656"}`,
	} {
		p := newParser(t, "")
		if got := describeAll(events(p, alike+"\n")); len(got) != 1 || got[0] != want {
			t.Errorf("%s\n got %v, want %s; not parsed: %v", alike, got, want, p.TakeUnparsed())
		}
	}
	p := newParser(t, "")
	const short = `{"time":"Nov 23 12:57:36","host":"mx","program":"postfix/smtp","qid":"4f1XyZabcd","to":"a@b.example","status":"bounced","status_detail":"no such user"}`
	if got := events(p, short+"\n"); len(got) != 1 || got[0].Recipient != "a@b.example" || got[0].Outcome != bounce.Bounced || p.Counts().Unparsed != 0 {
		t.Errorf("%s\n got %v, %+v", short, describeAll(got), p.Counts())
	}
	for _, other := range []string{
		`{"time":"Nov 23 12:57:36","process":"postfix/smtp[474]","queue_id":"4f1XyZabcd","to":"a@b.example>, relay=x, status=sent (y","relay":"none","status":"bounced"}`,
		`{"time":"Nov 23 12:57:36","process":"nginx[474]","queue_id":"4f1XyZabcd","to":"a@b.example","relay":"none","dsn":"5.1.1","status":"bounced"}`,
		`{"time":"Nov 23 12:57:36","process":"postfix/smtp[474]","queue_id":"4f1XyZabcd","to":"a@b.example","relay":"none","dsn":"5.1.1","status":"deliverable"}`,
	} {
		if got := events(newParser(t, ""), other+"\n"); len(got) > 0 {
			t.Errorf("%s\n got %v", other, describeAll(got))
		}
	}
	for line, unparsed := range map[string]int{
		`{"time":"Nov 23 12:57:36","host":"mx","program":"postfix/smtp","queueid":"4f1XyZabcd","recipient":"a@b.example","relay":"none","dsn":"4.4.1","status":"deferred","message":"connect to x: timed out"}`: 1,
		`{"time":"Nov 23 12:57:36","host":"mx","program":"postfix/smtp","delivery":{"to":"a@b.example","relay":"none","status":"deferred"},"message":"4f1XyZabcd"}`:                                             1,
		`{"time":"Nov 23 12:57:36","host":"mx","program":"postfix/qmgr","to":"a@b.example","relay":"none","dsn":"2.0.0","status":"sent","message":"4f1XyZabcd: removed"}`:                                       0,
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) > 0 && got[0].Kind == bounce.EventAttempt || p.Counts().Unparsed != unparsed {
			t.Errorf("%s\n got %v, %+v", line, describeAll(got), p.Counts())
		}
	}
}
