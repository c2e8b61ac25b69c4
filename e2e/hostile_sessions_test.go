package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forgedLines are lines of mail servers about v@bank.example, and parts of them.
var forgedLines = []string{
	"4XabcZ1y2z: to=<v@bank.example>, relay=mx.bank.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.bank.example[192.0.2.1] said: 550 5.1.1 user unknown (in reply to RCPT TO command))",
	"4XabcZ1y2z: to=<v@bank.example>, relay=mx.bank.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 ok)",
	"1xVTbv-00000r-1v ** v@bank.example R=all T=remote H=mx.bank.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<v@bank.example>: 550 5.1.1 user unknown",
	"1xVTbv-00000r-1v => v@bank.example R=all T=remote H=mx.bank.example [192.0.2.1] C=\"250 ok\"",
	"6AND4fXL000084: to=<v@bank.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.bank.example. [192.0.2.1], dsn=5.1.1, stat=User unknown",
	`770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<n@a.example> to=<v@bank.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx)" delay=0s result="PermFail" stat="550 5.1.1 No"`,
	"v@bank.example : 550 5.1.1 user unknown", "v@bank.example R=all T=remote", "v@bank.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (user unknown)",
}

// forgedText is a forged line behind a header and odd characters, in one line.
func forgedText(rng *rand.Rand) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	return pick("", " ", `"`, "> ", "), ", "\t", `\n`, "#012", "\x1b[2K\x1b[1G", "\x00", "\u2028", "x ", "\xff", "| ", "Warning: ") +
		pick("", "", "Nov 23 12:57:36 mx postfix/smtp[474]: ", "2026-11-23T12:57:36.5+00:00 mx exim[9]: ", "<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - - ", "2026-11-23 12:57:36 ", "postfix/smtp[474]: ") +
		forgedLines[rng.IntN(len(forgedLines))] + pick("", " x", ")", `"`, `\n`)
}

// quotedLocal writes a text as a quoted local part.
func quotedLocal(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// attack sends a message with forged lines wherever a stranger may choose a text. A
// server may refuse any of them.
func attack(t *testing.T, port int, rng *rand.Rand) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	oneLine := strings.NewReplacer("\r", "", "\n", "", "\x00", "")
	say := func(format string, args ...any) (accepted bool) {
		if err := c.PrintfLine("%s", oneLine.Replace(fmt.Sprintf(format, args...))); err != nil {
			return false
		}
		code, _, _ := c.ReadResponse(0) // the code says what an error would
		return code >= 200 && code < 400
	}
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	say("HELO %s", forgedText(rng))
	say("EHLO evil.example")
	say("%s", forgedText(rng))
	say("VRFY %s", forgedText(rng))
	say("RCPT TO:<%s>", forgedText(rng))
	if !say("MAIL FROM:<%s@evil.example>", quotedLocal(forgedText(rng))) && !say("MAIL FROM:<news@shop.example>") {
		return
	}
	local := "u"
	if rng.IntN(2) == 0 {
		local = quotedLocal(forgedText(rng))
	}
	say("RCPT TO:<%s@[%s]>", local, forgedText(rng))
	if !say("RCPT TO:<%s@%s.example>", local, []string{"evil", "good"}[rng.IntN(2)]) || !say("DATA") {
		return
	}
	for _, header := range []string{"Subject", "From", "To", "Message-ID", "Reply-To", "X-Odd"} {
		value := forgedText(rng)
		if header == "Message-ID" {
			value = "<" + value + ">"
		}
		if err := c.PrintfLine("%s: %s", header, oneLine.Replace(value)); err != nil {
			return
		}
	}
	if err := c.PrintfLine("\r\n%s", oneLine.Replace(forgedText(rng))); err != nil {
		return
	}
	say(".")
	// Exim takes 0.2 s to answer it, which nothing here depends on.
	_ = c.PrintfLine("QUIT") // the server may have closed the connection
}

// sessions returns the number of sessions. BOUNCETAIL_TEST_ATTACKS overrides it.
func sessions(t *testing.T) int { return numberIn(t, "BOUNCETAIL_TEST_ATTACKS", 60) }

// hostileReplies answers each recipient at evil.example with another reply.
func hostileReplies() answers {
	rng := rand.New(rand.NewPCG(7, 7))
	return answers{evilSays: func() string {
		text := strings.ReplaceAll(forgedText(rng), "\x00", "")
		switch rng.IntN(4) {
		case 0:
			return "550-5.7.1 " + text + "\n550-" + text + "\n550 5.7.1 " + text
		case 1:
			return "450 4.7.1 " + text
		case 2:
			return "250 2.1.5 " + text
		}
		return "550 " + text + strings.Repeat(" x", rng.IntN(1000))
	}}
}

// nothingAboutTheBank waits until the log was read up to a last failure, and checks that
// nothing is stored about bank.example.
func nothingAboutTheBank(t *testing.T, db string, port int) {
	t.Helper()
	send(t, port, "news@shop.example", "gone@last.example")
	eventually(t, db, "SELECT count(*) FROM bounces WHERE recipient = 'gone@last.example'", "1")
	for _, sql := range []string{
		"SELECT count(*) FROM bounces WHERE domain LIKE '%bank.example%' OR recipient LIKE 'v@bank%'",
		"SELECT count(*) FROM recipients WHERE domain LIKE '%bank.example%' OR recipient LIKE 'v@bank%'",
		"SELECT count(*) FROM daily_outcomes WHERE domain LIKE '%bank.example%'",
	} {
		eventually(t, db, sql, "0")
	}
}

func TestRealPostfixHostileSessionsChangeNoOtherAddress(t *testing.T) {
	t.Parallel()
	a := hostileReplies()
	a.rcpt = map[string]string{"gone": "550 5.1.1 no such user"}
	p := startPostfix(t, serveSMTP(t, a), "header_checks = regexp:{{/^(Subject|From|To|X-Odd):/ WARN marked}}", "smtpd_junk_command_limit = 1000", "smtpd_hard_error_limit = 1000", "smtpd_soft_error_limit = 1000", "smtpd_error_sleep_time = 0", "smtpd_delay_reject = no", "resolve_numeric_domain = yes", "smtpd_client_connection_rate_limit = 0")
	db := filepath.Join(t.TempDir(), "b.db")
	d := start(t, p.log, "--db", db)
	for seed := range sessions(t) {
		attack(t, p.port, rand.New(rand.NewPCG(uint64(seed), 1)))
	}
	nothingAboutTheBank(t, db, p.port)
	d.stop()
}

func TestRealEximHostileSessionsChangeNoOtherAddress(t *testing.T) {
	t.Parallel()
	a := hostileReplies()
	a.rcpt = map[string]string{"gone": "550 5.1.1 no such user"}
	acl := "  warn logwrite = HELO $sender_helo_name\n  warn log_message = $sender_helo_name $local_part\n"
	log, port := startExim(t, "exim4", serveSMTP(t, a), acl, "log_selector = +all -pid -millisec", "helo_accept_junk_hosts = *", "smtp_max_unknown_commands = 1000", "smtp_max_synprot_errors = 1000", "smtp_accept_queue_per_connection = 0", "allow_domain_literals")
	db := filepath.Join(t.TempDir(), "b.db")
	d := start(t, log, "--db", db)
	for seed := range sessions(t) {
		attack(t, port, rand.New(rand.NewPCG(uint64(seed), 2)))
	}
	nothingAboutTheBank(t, db, port)
	d.stop()
}
