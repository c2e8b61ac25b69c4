package logparse

import (
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// TestEchoes also compares the fast reading of Postfix with the grammar's.
func TestEchoes(t *testing.T) {
	const (
		postfix = "Nov 23 12:57:36 mx1 postfix/error[498]: BF7F951A74E: to=<a@b.example>, relay=none, delay=0.01, delays=0/0/0/0, dsn=4.7.1, status=deferred ("
		exim    = "2026-11-23 12:57:36 1xVTbv-00000r-1v == a@b.example R=dnslookup T=remote_smtp defer (-53): "
	)
	for _, c := range []struct {
		line string
		mta  bounce.MTA
		echo bool
	}{
		{postfix + "delivery temporarily suspended: host mx.b.example[192.0.2.1] said: 450 4.7.1 later (in reply to RCPT TO command))", bounce.Postfix, true},
		{postfix + "delivery temporarily suspended: connect to mx.b.example[192.0.2.1]:25: Connection refused)", bounce.Postfix, true},
		{postfix + "host mx.b.example[192.0.2.1] said: 450 4.7.1 delivery temporarily suspended: x (in reply to RCPT TO command))", bounce.Postfix, false},
		{postfix + "connect to mx.b.example[192.0.2.1]:25: Connection refused)", bounce.Postfix, false},
		{exim + "retry time not reached for any host for 'b.example'", bounce.Exim, true},
		{exim + "SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 retry time not reached", bounce.Exim, false},
	} {
		n := 0
		p, err := New(Options{MTA: c.mta})
		if err != nil {
			t.Fatal(err)
		}
		p.Parse(c.line+"\n", func(ev *bounce.Event) {
			if n++; ev.Echo != c.echo {
				t.Errorf("%s\nEcho = %v, want %v", c.line, ev.Echo, c.echo)
			}
		})
		if n != 1 {
			t.Errorf("%s\n%d events, want 1", c.line, n)
		}
	}
}
