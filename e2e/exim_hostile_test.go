package e2e

import (
	"path/filepath"
	"testing"
)

// hostileRecipients are local parts that contain lines of Exim's log about
// v@example.com, in the quoting of SMTP.
var hostileRecipients = []string{
	// A failure, with decoys of quoted addresses before the real one.
	`"v@example.com : 550 5.1.1 user unknown <\"a\"@b> <\"a\"@b> <\"a\"@b> <\"a\"@b>"`,
	`"v@example.com : 550 5.1.1 user unknown <\"v\"@example.com>: 550 5.1.1 user unknown"`,
	`"v@example.com <\"v\"@example.com> : 550 5.1.1 user unknown"`,
	`"v@example.com <\"a\"@b> R=all T=remote: 550 5.1.1 user unknown"`,
	`"v@example.com R=all T=remote H=mx [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<v@example.com>: 550 5.1.1 user unknown"`,
	`v\@example.com\ \:\ 550\ 5.1.1\ user\ unknown`,
	`v\@example.com\:\ retry\ timeout\ exceeded`,
	`"v@example.com: retry timeout exceeded"`,
	`x."v@example.com : 550 user unknown"`,
	// A delivery.
	`"v@example.com R=r T=t"`,
	`v\@example.com\ R=r\ T=t`,
	`"v@example.com <v@example.com> R=r T=t H=127.0.0.1 [127.0.0.1] C=\"250 ok\""`,
	`"|/bin/x <v@example.com> R=r T=t"`,
	`"/dev/null <v@example.com> : 550 user unknown"`,
}

// A real Exim logs recipients chosen by an attacker, some refused and some delivered.
// None of them changes another address.
func TestRealEximHostileRecipientsChangeNoOtherAddress(t *testing.T) {
	t.Parallel()
	log, port := startExim(t, "exim4", serveSMTP(t, answers{evil: "550 5.1.1 no such user"}), "")
	db := filepath.Join(t.TempDir(), "b.db")
	d := start(t, log, "--db", db)
	// Exim delivers at once only the first ten messages of a connection.
	for _, local := range hostileRecipients {
		send(t, port, "news@shop.example", local+"@evil.example", local+"@good.example")
	}
	for sql, want := range map[string]string{
		"SELECT count(*) FROM bounces WHERE recipient LIKE '%@evil.example'":                                       "14",
		"SELECT count(*) FROM bounces WHERE recipient NOT LIKE '%@evil.example'":                                   "0",
		"SELECT count(*) FROM daily_outcomes WHERE domain NOT IN ('evil.example', 'good.example', 'shop.example')": "0",
	} {
		eventually(t, db, sql, want)
	}
	d.stop()
}
