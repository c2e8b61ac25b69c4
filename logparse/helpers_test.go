package logparse_test

import (
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// Programs are named after the server that they belong to, and so are its instances.
func TestProgramsNamedAfterAServer(t *testing.T) {
	lines := map[bounce.MTA]string{
		bounce.Postfix:   "4XabcZ1y2z: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)",
		bounce.Exim:      "1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp: no",
		bounce.Sendmail:  "6AND4fXN000084: to=<a@b.example>, delay=00:00:01, mailer=esmtp, dsn=5.1.1, stat=User unknown",
		bounce.OpenSMTPD: `770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<> to=<a@b.example> rcpt=<-> delay=0s result="PermFail" stat="550 no"`,
	}
	for _, tt := range []struct {
		tag            string
		mta            bounce.MTA
		read, unparsed int
	}{
		{"postfix", bounce.Postfix, 1, 0},
		{"postfix-out", bounce.Postfix, 1, 0},
		{"postfix2", bounce.Postfix, 1, 0},
		{"mta/smtp", bounce.Postfix, 1, 0},
		{"postfix-exporter", bounce.Postfix, 0, 0},
		{"postfix_report", bounce.Postfix, 0, 0},
		{"postfixadmin", bounce.Postfix, 0, 0},
		{"postfixgw", bounce.Postfix, 0, 1},
		{"exim", bounce.Exim, 1, 0},
		{"exim4", bounce.Exim, 1, 0},
		{"exim-4.98-2", bounce.Exim, 1, 0},
		{"eximstats", bounce.Exim, 0, 0},
		{"exim-monitor", bounce.Exim, 0, 0},
		{"eximout", bounce.Exim, 0, 1},
		{"sendmail", bounce.Sendmail, 1, 0},
		{"sm-mta", bounce.Sendmail, 1, 0},
		{"sm-msp-queue", bounce.Sendmail, 1, 0},
		{"sendmail-in", bounce.Sendmail, 1, 0},
		{"sendmail-api", bounce.Sendmail, 0, 0},
		{"sm-notify", bounce.Sendmail, 0, 0},
		{"smtpd", bounce.OpenSMTPD, 1, 0},
		{"opensmtpd-filter-x", bounce.OpenSMTPD, 0, 0},
		{"filter-rspamd", bounce.OpenSMTPD, 0, 0},
		{"opensmtpd_exporter", bounce.OpenSMTPD, 0, 0},
	} {
		p := newParser(t, "")
		if got := events(p, "Nov 23 12:57:36 mx "+tt.tag+"[12]: "+lines[tt.mta]+"\n"); len(got) != tt.read || p.Counts().Unparsed != tt.unparsed {
			t.Errorf("%s: got %v, counted %d, want %d events and %d counted", tt.tag, describeAll(got), p.Counts().Unparsed, tt.read, tt.unparsed)
		}
	}
}

// With debug_peer_list and -v, Postfix logs what the other side and its own programs say.
func TestVerbosePostfixIsNotCounted(t *testing.T) {
	const delivery = "to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)"
	for _, line := range []string{
		"smtp[4]: < mx.b.example[192.0.2.1]:25: 550 5.1.1 4f1XyZabcd: " + delivery,
		"smtp[4]: > mx.b.example[192.0.2.1]:25: RCPT TO:<a@b.example>",
		"bounce[4]: input attribute value: " + delivery,
		"bounce[4]: input attribute value: 4f1XyZabcd: " + delivery,
	} {
		p := newParser(t, "")
		if got := events(p, "Nov 23 12:57:36 mx postfix/"+line+"\n"); len(got) != 0 || p.Counts().Unparsed != 0 {
			t.Errorf("%s: got %v, counted %d", line, describeAll(got), p.Counts().Unparsed)
		}
	}
}

// A container may have such a name and print the log of the server.
func TestContainersNamedLikeSuchPrograms(t *testing.T) {
	const line = "Nov 23 12:57:36 mx postfix/smtp[4]: 4XabcZ1y2z: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)"
	for _, wrapped := range []string{
		"postfix-api-1  | " + line,
		"postfix-api-0 postfix " + line,
		"Nov 23 12:57:37 node1 postfix-api[12]: " + line,
		`{"time":"2026-11-23T12:57:37Z","tag":"postfix-api","log":"` + line + `"}`,
	} {
		if got := events(newParser(t, ""), wrapped+"\n"); len(got) != 1 || got[0].Recipient != "a@b.example" || got[0].Host != "mx" {
			t.Errorf("%s: got %v", wrapped, describeAll(got))
		}
	}
}
