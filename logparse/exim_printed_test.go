package logparse_test

import (
	"fmt"
	"strings"
	"testing"
)

// What "exim -v" prints in a container is read as if Exim had logged it, with the time
// of the container's log.
func TestLinesThatEximPrints(t *testing.T) {
	for _, words := range []string{
		`** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 "no"`,
		`** a@b.example <i@b.example>: Unrouteable address`,
		`== a@b.example R=dnslookup defer (-1): host lookup did not complete`,
		`=> a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1] C="250 OK"`,
		`-> a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1] C="250 OK"`,
	} {
		want := describeAll(events(newParser(t, ""), "2026-11-23T12:57:36Z mx exim[278]: 1xVTbv-00000r-1v "+words+"\n"))
		want[0] = strings.NewReplacer(` host="mx"`, "", ` id="1xVTbv-00000r-1v"`, "").Replace(want[0])
		for _, form := range []string{
			"2026-11-23T12:57:36Z   278   %s", "2026-11-23T12:57:36Z 12345   %s", "2026-11-23T12:57:36Z   %s",
			"2026-11-23T12:57:36Z stderr F   278   %s", "2026-11-23T12:57:36Z stdout F   %s",
			`{"log":"  278   %s\n","stream":"stderr","time":"2026-11-23T12:57:36Z"}`, `{"log":"  %s\n","stream":"stderr","time":"2026-11-23T12:57:36Z"}`,
		} {
			text := words
			if form[0] == '{' {
				text = strings.ReplaceAll(words, `"`, `\"`)
			}
			p := newParser(t, "")
			if got := describeAll(events(p, fmt.Sprintf(form, text)+"\n")); len(got) != 1 || got[0] != want[0] || p.Counts().Unparsed != 0 {
				t.Errorf("%s\n got %v\nwant %s; not parsed: %v", form, got, want[0], p.TakeUnparsed())
			}
		}
	}
}

// It prints the replies of other servers too: a further line begins behind nine spaces.
// Without a time lines are counted.
func TestLinesThatEximPrintsAndDoesNotMean(t *testing.T) {
	const words = "** v@bank.example R=x T=y: 550 no"
	for _, form := range []string{
		"2026-11-23T12:57:36Z          250   ", "2026-11-23T12:57:36Z   278          250   ", "2026-11-23T12:57:36Z   SMTP<< 550   ",
		"2026-11-23T12:57:36Z stderr F          250   ",
		`{"time":"2026-11-23T12:57:36Z","log":"         250   %s"}`, `{"time":"2026-11-23T12:57:36Z","log":"  278          250   %s"}`,
		`{"time":"2026-11-23T12:57:36Z","program":"nginx","message":"  278   %s"}`,
	} {
		line := strings.Replace(form, "%s", words, 1)
		if line == form {
			line += words
		}
		if got := events(newParser(t, ""), line+"\n"); len(got) > 0 {
			t.Errorf("%s got %v", line, describeAll(got))
		}
	}
	for _, form := range []string{"smtp-1  |   278   ", "  278   ", "2026-11-23 stderr F   278   "} {
		p := newParser(t, "")
		if got := events(p, form+words+"\n"); len(got) > 0 || p.Counts().Unparsed != 1 {
			t.Errorf("%s got %v, counted %d", form, describeAll(got), p.Counts().Unparsed)
		}
	}
}
