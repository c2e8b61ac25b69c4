package logparse

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestJournalEntriesAreTakenOnlyFromMailServers(t *testing.T) {
	const (
		postfix = "/usr/lib/postfix/sbin/"
		eve     = "1000"
	)
	own := make(map[bounce.MTA]bool)
	for _, tt := range []struct {
		mta  bounce.MTA
		w    writer
		uids []int
		want bool
	}{
		{bounce.Postfix, writer{}, nil, true}, // not from the journal, or without these fields
		{bounce.Postfix, writer{UID: "0", Comm: "logger", Exe: "/usr/bin/logger"}, nil, true},
		{bounce.Postfix, writer{UID: "107", Comm: "smtp", Exe: postfix + "smtp"}, nil, true},
		{bounce.Postfix, writer{UID: "89", Comm: "bounce", Exe: "/usr/libexec/postfix/bounce"}, nil, true},
		{bounce.Postfix, writer{UID: "89", Comm: "qmgr", Exe: "/usr/libexec/postfix/qmgr (deleted)"}, nil, true},
		{bounce.Postfix, writer{UID: "107", Comm: "trivial-rewrite"}, nil, true}, // ended before journald looked
		{bounce.Postfix, writer{Comm: "lmtp"}, nil, true},
		{bounce.Postfix, writer{UID: "12345", Comm: "smtp", Exe: "/usr/libexec/postfix/smtp"}, []int{7, 12345}, true},
		{bounce.Postfix, writer{UID: eve, Comm: "conmon", Exe: "/usr/bin/conmon"}, []int{1000}, true},
		{bounce.Exim, writer{UID: "101", Comm: "exim4", Exe: "/usr/sbin/exim4"}, nil, true},
		{bounce.Exim, writer{UID: "93", Comm: "sendmail", Exe: "/usr/exim/bin/exim-4.98-2"}, nil, true},
		{bounce.Sendmail, writer{UID: "51", Comm: "sendmail.sendma", Exe: "/usr/sbin/sendmail.sendmail"}, nil, true},
		{bounce.Sendmail, writer{UID: "114", Comm: "sendmail-msp", Exe: "/usr/libexec/sendmail/sendmail"}, nil, true},
		{bounce.OpenSMTPD, writer{UID: "115", Comm: "smtpd", Exe: "/usr/sbin/smtpd"}, nil, true},

		{bounce.Postfix, writer{UID: eve, Comm: "logger", Exe: "/usr/bin/logger"}, nil, false},
		{bounce.Postfix, writer{UID: eve}, nil, false}, // ended before journald looked
		{bounce.Postfix, writer{UID: eve, Comm: "smtp"}, nil, false},
		{bounce.Postfix, writer{UID: eve, Comm: "smtp", Exe: "/home/eve/smtp"}, nil, false},
		{bounce.Postfix, writer{UID: eve, Comm: "smtp", Exe: postfix + "smtp"}, nil, false}, // smtp -c /home/eve
		{bounce.Postfix, writer{UID: eve, Comm: "postlog", Exe: "/usr/sbin/postlog"}, nil, false},
		{bounce.Postfix, writer{UID: "33", Comm: "postlog", Exe: "/usr/sbin/postlog"}, nil, false},
		{bounce.Postfix, writer{UID: "33", Comm: "smtp", Exe: "/usr/bin/php8.4"}, nil, false},
		{bounce.Postfix, writer{UID: "33", Comm: "smtp", Exe: "/tmp/smtp"}, nil, false},
		{bounce.Postfix, writer{UID: "33", Comm: "smtp", Exe: "/usr/../tmp/smtp"}, nil, false},
		{bounce.Postfix, writer{UID: "33", Comm: "smtp", Exe: "/tmp/usr/lib/postfix/smtp"}, nil, false},
		{bounce.Postfix, writer{UID: "107", Comm: "exim4", Exe: "/usr/sbin/exim4"}, nil, false}, // another MTA
		{bounce.Postfix, writer{UID: "33"}, nil, false},
		{bounce.Postfix, writer{UID: "-1", Comm: "smtp"}, nil, false},
		{bounce.Postfix, writer{UID: "root", Comm: "smtp"}, nil, false},
		{bounce.Postfix, writer{UID: "99999999999999999999", Comm: "smtp"}, nil, false},
		{bounce.Postfix, writer{Comm: "logger"}, nil, false},
		{bounce.Exim, writer{UID: eve, Comm: "exim4", Exe: "/usr/sbin/exim4"}, nil, false}, // exim -C
		{bounce.Exim, writer{UID: "33", Comm: "exim-", Exe: "/usr/bin/exim-mon"}, nil, false},
		{bounce.Sendmail, writer{UID: eve, Comm: "sendmail", Exe: "/usr/sbin/sendmail"}, nil, false},
	} {
		if got := tt.w.trusted(grammarOf(tt.mta), tt.uids); got != tt.want {
			t.Errorf("%+v.trusted(%s, %v) = %v, want %v", tt.w, tt.mta, tt.uids, got, tt.want)
		}
		own[tt.mta] = own[tt.mta] || tt.want && tt.w.UID != "0" && tt.w.Exe != "" && tt.uids == nil
	}
	for _, mta := range bounce.MTAs {
		if !own[bounce.MTA(mta)] {
			t.Errorf("no entry of a program of %s", mta)
		}
	}
}

// entry returns a journal entry in which a writer logs a delivery.
func entry(uid, exe, tag, message string) string {
	return fmt.Sprintf(`{"__REALTIME_TIMESTAMP":"1795600000000000","_HOSTNAME":"mx1","_UID":%q,"_COMM":%q,"_EXE":%q,"SYSLOG_IDENTIFIER":%q,"MESSAGE":%q}`+"\n",
		uid, exe[strings.LastIndexByte(exe, '/')+1:], exe, tag, message)
}

func TestForgedJournalEntriesAreCountedAndGiveNoEvent(t *testing.T) {
	const (
		postfixSMTP = "/usr/lib/postfix/sbin/smtp"
		logger      = "/usr/bin/logger"
		bounced     = "4YqRr12ZzNz1Xw: to=<ceo@bank.example>, relay=mx.bank.example[192.0.2.1]:25, delay=1, delays=1/0/0/0, dsn=5.1.1, status=bounced (host mx.bank.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
	)
	sent := strings.NewReplacer("dsn=5.1.1", "dsn=2.0.0", "status=bounced", "status=sent").Replace(bounced)
	exim := "1vNxyz-000000001Ab-2Cd3 ** ceo@bank.example R=dnslookup T=remote_smtp H=mx.bank.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<ceo@bank.example>: 550 5.1.1 User unknown"
	for _, tt := range []struct {
		name            string
		log             string
		events, refused int
	}{
		{"Postfix's own", entry("107", postfixSMTP, "postfix/smtp", bounced), 1, 0},
		{"Exim's own", entry("101", "/usr/sbin/exim4", "exim", exim), 1, 0},
		{"a failure", entry("1000", logger, "postfix/smtp", bounced), 0, 1},
		{"a delivery, which would clear an address", entry("1000", logger, "postfix/smtp", sent), 0, 1},
		{"Exim's format", entry("1000", logger, "exim", exim), 0, 1},
		{"the end of a message in the queue", entry("1000", logger, "postfix/qmgr", "4YqRr12ZzNz1Xw: removed"), 0, 0},
		{"in several pieces", entry("1000", logger, "postfix/smtp", "[1-2] "+bounced[:100]) + entry("1000", logger, "postfix/smtp", "[2-2] "+bounced[100:]), 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := New(Options{Zone: time.UTC})
			if err != nil {
				t.Fatal(err)
			}
			events := 0
			p.Parse(tt.log, func(*bounce.Event) { events++ })
			refused := 0
			for _, u := range p.TakeUnparsed() {
				if u.Shape != refusedShape || !u.Refused || !strings.Contains(u.Example, "user 1000, "+logger) {
					t.Errorf("counted as %q, example %q", u.Shape, u.Example)
				}
				refused += len(u.Lines)
			}
			if events != tt.events || refused != tt.refused {
				t.Errorf("%d events and %d refused entries, want %d and %d", events, refused, tt.events, tt.refused)
			}
		})
	}
	p, err := New(Options{Zone: time.UTC, JournalUIDs: []int{1000}})
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	p.Parse(entry("1000", logger, "postfix/smtp", bounced), func(*bounce.Event) { events++ })
	if events != 1 {
		t.Errorf("%d events of a user listed in JournalUIDs, want 1", events)
	}
}

// What a user writes into the message does not become the entry around it.
func TestAMessageCannotNameItsWriter(t *testing.T) {
	const (
		logger  = "/usr/bin/logger"
		bounced = "4YqRr12ZzNz1Xw: to=<ceo@bank.example>, relay=mx.bank.example[192.0.2.1]:25, delay=1, delays=1/0/0/0, dsn=5.1.1, status=bounced (host mx.bank.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
		line    = "Nov 25 10:00:00 mx1 postfix/smtp[4]: " + bounced
	)
	exported := func(message string) string {
		var size [8]byte
		binary.LittleEndian.PutUint64(size[:], uint64(len(message)))
		return "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795600000000000\n_HOSTNAME=mx1\nSYSLOG_IDENTIFIER=eve\nMESSAGE\n" + string(size[:]) + message + "\n_UID=1000\n_COMM=logger\n_EXE=" + logger + "\n\n"
	}
	forged := "__CURSOR=s=2\n__REALTIME_TIMESTAMP=1795600000000000\n_UID=0\nSYSLOG_IDENTIFIER=postfix/smtp\nMESSAGE=" + bounced + "\n\n"
	for name, log := range map[string]string{
		"an entry as the message":         entry("1000", logger, "eve", strings.TrimSuffix(entry("0", "/usr/lib/postfix/sbin/smtp", "postfix/smtp", bounced), "\n")),
		"an entry in an entry":            entry("1000", logger, "eve", entry("1000", logger, "eve", entry("0", logger, "postfix/smtp", bounced))),
		"a line of a log as the message":  entry("1000", logger, "eve", line),
		"a line in an exported message":   exported("first\n" + line + "\nlast"),
		"an exported entry in a message":  exported("first\n" + forged + "last"),
		"lines with carriage returns":     exported(strings.Repeat("\r\n", 400) + forged),
		"a message that is very long":     exported(strings.Repeat("x", 100<<10) + "\n" + forged),
		"a message of many lines, longer": exported(strings.Repeat("x\r\n", 40<<10) + forged),
	} {
		p, err := New(Options{Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		// A second entry, so that the first is complete.
		p.Parse(log+exported("last"), func(ev *bounce.Event) { t.Errorf("%s: an event for %q", name, ev.Recipient) })
	}
	p, err := New(Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	p.Parse(exported("two\nlines")+forged+exported("last"), func(*bounce.Event) { events++ })
	if events != 1 {
		t.Errorf("%d events from an entry of root behind a message of two lines, want 1", events)
	}
}

func grammarOf(mta bounce.MTA) *grammar {
	return &grammars[slices.Index(bounce.MTAs, string(mta))]
}
