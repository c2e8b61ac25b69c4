package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
)

// hostilePostfixRecipients are local parts that contain lines of Postfix's log about
// v@example.com, in the quoting of SMTP.
var hostilePostfixRecipients = []string{
	// A failure.
	`"v@example.com>, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=5.1.1, status=bounced (host mx.example[192.0.2.1] said: 550 5.1.1 user unknown)"`,
	`"x>, orig_to=<v@example.com>, relay=none, delay=1, dsn=5.1.1, status=bounced (user unknown)"`,
	`"x>, to=<v@example.com>, relay=none, delay=1, dsn=5.1.1, status=bounced (user unknown)"`,
	`"to=<v@example.com>, relay=none, delay=1, dsn=5.1.1, status=bounced (user unknown)"`,
	`"x\>, to=\<v@example.com\>, relay=none, delay=1, dsn=5.1.1, status=bounced (user unknown)"`,
	`"x\" <v@example.com>, relay=none, delay=1, dsn=5.1.1, status=bounced (user unknown)"`,
	`"v@example.com>,"`,
	`"(user unknown), to=<v@example.com>"`,
	// A delivery.
	`"v@example.com>, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 ok)"`,
	`"x>, to=<v@example.com>, relay=mx.example[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 ok)"`,
}

// A real Postfix logs recipients chosen by an attacker, some refused and some delivered,
// in each of its forms of logged addresses. None of them changes another address.
func TestRealPostfixHostileRecipientsChangeNoOtherAddress(t *testing.T) {
	t.Parallel()
	for _, form := range []struct {
		name string
		read int // failures that can be read; the others are ambiguous
	}{{"external", len(hostilePostfixRecipients)}, {"internal", 0}} {
		t.Run(form.name, func(t *testing.T) {
			p := startPostfix(t, serveSMTP(t, answers{evil: "550 5.1.1 no such user"}), "info_log_address_format = "+form.name)
			db := filepath.Join(t.TempDir(), "b.db")
			d := start(t, p.log, "--db", db)
			for _, local := range hostilePostfixRecipients {
				send(t, p.port, "news@shop.example", local+"@evil.example", local+"@good.example")
			}
			// The log is read in order: once this failure is stored, the others were read.
			send(t, p.port, "news@shop.example", "last@evil.example")
			eventually(t, db, "SELECT count(*) FROM bounces WHERE recipient = 'last@evil.example'", "1")
			for sql, want := range map[string]string{
				"SELECT count(*) FROM bounces WHERE recipient NOT LIKE '%@evil.example'":                                   "0",
				"SELECT count(*) FROM recipients WHERE recipient NOT LIKE '%@evil.example'":                                "0",
				"SELECT count(*) FROM daily_outcomes WHERE domain NOT IN ('evil.example', 'good.example', 'shop.example')": "0",
			} {
				eventually(t, db, sql, want)
			}
			if form.read > 0 {
				eventually(t, db, "SELECT count(*) FROM bounces", fmt.Sprint(form.read+1))
			}
			d.stop()
		})
	}
}
