package logparse

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// Invisible characters used to be deleted, so that a bounce of an address that
// contains one made the address without it bad.
func TestInvisibleCharactersMakeNoOtherAddress(t *testing.T) {
	lines := map[bounce.MTA]string{
		bounce.Postfix:   `Nov 23 12:57:36 mx postfix/smtp[474]: 4F1XQ31Ck0z9s: to=<ADDR>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))`,
		bounce.Exim:      `2026-11-23 12:57:36 1xVTbv-00000r-1v ** ADDR R=dns T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<x>: 550 5.1.1 no such user`,
		bounce.Sendmail:  `Nov 23 12:57:36 mx sendmail[63191]: 0AU4NVat063189: to=<ADDR>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=120870, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, stat=User unknown`,
		bounce.OpenSMTPD: `Nov 23 12:57:36 mx smtpd[4603]: 1234567890abcdef mta delivery evpid=8c3b0e3f7c3a6f11 from=<a@c.example> to=<ADDR> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=1s result="PermFail" stat="550 5.1.1 no such user"`,
	}
	hidden := []string{"\u200b", "\u202e", "\u00ad", "\U000e0041", "\ufeff", "\u2060", "\u2028", "\x01", "\xff", "\x7f", "\t"}
	for _, mta := range bounce.MTAs {
		line, found := lines[bounce.MTA(mta)]
		if !found {
			t.Errorf("no line of %s", mta)
		}
		read := 0
		for _, c := range hidden {
			p, err := New(Options{MTA: bounce.MTA(mta)})
			if err != nil {
				t.Fatal(err)
			}
			p.Parse(strings.Replace(line, "ADDR", "vic"+c+"tim@b.example", 1)+"\n", func(ev *bounce.Event) {
				read++
				if ev.Recipient == "victim@b.example" || ev.Recipient == "vic?tim@b.example" || clean(ev.Recipient) != ev.Recipient {
					t.Errorf("%s: vic%qtim@b.example was read as %q", mta, c, ev.Recipient)
				}
			})
		}
		if read < len(hidden)/2 {
			t.Errorf("%s: only %d of %d addresses were read", mta, read, len(hidden))
		}
	}
	if got, want := cleanAddress("a\u200bb\xffü@b.example"), `a\u200bb\xffü@b.example`; got != want {
		t.Errorf("cleanAddress = %q, want %q", got, want)
	}
}
