package logparse_test

import (
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/logparse"
)

// A delivery to nobody is not stored: its row would have an empty recipient.
func TestADeliveryWithoutARecipientIsUnparsed(t *testing.T) {
	for _, line := range []string{
		"2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3D: to=<>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))",
		"2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3D: to=<>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 OK)",
		"Nov 20 09:00:00 mx sm-mta[1]: 4A1B2C3D001: to=<>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=1, relay=mx.example.com. [192.0.2.1], dsn=5.1.1, stat=User unknown",
		"2026-11-20 09:00:00 1abcde-000001-2A ** <> R=dnslookup T=remote_smtp H=mx.example.com [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<>: 550 No such user",
	} {
		p, err := logparse.New(logparse.Options{Anchor: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Fatal(err)
		}
		p.Line(line, func(ev *bounce.Event) {
			if ev.Kind == bounce.EventAttempt {
				t.Errorf("%s\ngives a delivery to %q", line, ev.Recipient)
			}
		})
		if n := len(p.TakeUnparsed()); n != 1 {
			t.Errorf("%s\nis counted %d times as unparsed, want once", line, n)
		}
	}
}
