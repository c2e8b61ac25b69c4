package logparse_test

import (
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// A page lost the ends of the lines: the first line is read, the others are counted.
func TestGluedLines(t *testing.T) {
	const (
		header   = "Nov 23 12:57:36 mx postfix/"
		delivery = header + "smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))"
		removed  = header + "qmgr[2]: 4f1XyZabcd: removed"
		sendmail = "Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084"
	)
	const exim = "2026-11-23 12:57:36.123 [4] 1xVTbv-00000r-1v "
	for line, want := range map[string]int{
		exim + "** a@b.example R=x T=y: Unrouteable address" + exim + "== c@b.example R=x T=y defer (111): Connection refused":                                                          1,
		exim + "== a@b.example R=x T=y defer (-54): retry time not reached for any host " + exim + "=> c@b.example R=x T=y H=mx [192.0.2.1]":                                            1,
		header + "smtpd[1]: connect from a.example[192.0.2.9] " + delivery + " " + removed:                                                                                              1,
		header + "qmgr[2]: 4f1XyZabcd: from=<n@a.example>, size=1, nrcpt=1 (queue active) " + delivery:                                                                                  1,
		sendmail + ": DSN: User unknown" + sendmail + ": to=joe, delay=00:00:01, mailer=local, dsn=5.1.1, stat=User unknown":                                                            1,
		sendmail + ": to=joe, delay=00:00:01, mailer=local, dsn=2.0.0, stat=Sent" + sendmail + ": to=jim, delay=00:00:01, mailer=local, dsn=5.1.1, stat=User unknown":                   1,
		sendmail + ": to=joe, delay=00:00:01, dsn=2.0.0, stat=Sent <br />(ok)<br />" + sendmail + ": to=jim, <br />ctladdr=joe (0/0), mailer=local, <br />dsn=5.1.1, stat=User unknown": 1,
		sendmail + ": ruleset=check_rcpt, arg1=<" + sendmail + ": to=joe, delay=0, mailer=local, stat=Sent>, reject=550 no":                                                             1,
		header + "cleanup[2]: 4f1XyZabcd: message-id=<1@a.example>" + delivery:                                                                                                          1,
		header + "qmgr[2]: 4f1XyZabcd: removed" + delivery:                                                                                                                              1,
		header + `smtpd[1]: connect from a.example[192.0.2.9]\n` + delivery:                                                                                                             1,
		header + "smtpd[1]: connect from a.example[192.0.2.9]<br>" + delivery:                                                                                                           1,
		"2026-11-23T12:57:36Z mx postfix/pickup[2]: 4f1XyZabcd: uid=0 from=<root> " + delivery:                                                                                          1,
		header + "smtpd[1]: connect from a.example[192.0.2.9] " + removed:                                                                                                               0,
		header + "cleanup[1]: 4f1XyZabcd: warning: header Subject: " + delivery + " from a.example[192.0.2.9]":                                                                          0,
		header + "cleanup[1]: 4f1XyZabcd: info: header Subject: " + delivery + " from a.example[192.0.2.9]":                                                                             0,
		header + "smtp[4]: 4f1XyZabcd: host mx.b.example[192.0.2.1] said: 450 4.2.1 " + delivery + " (in reply to RCPT TO command)":                                                     0,
		header + "smtpd[1]: NOQUEUE: reject: RCPT from a.example[192.0.2.9]: 554 5.7.1 no; from=<> to=<a@b.example> helo=<x " + delivery + ">":                                          0,
	} {
		p := newParser(t, "")
		for _, ev := range events(p, line+"\n") {
			if ev.Kind == bounce.EventAttempt {
				t.Errorf("%s\n got %s", line, describe(&ev))
			}
		}
		if p.Counts().Unparsed != want {
			t.Errorf("%s\n%d not parsed, want %d", line, p.Counts().Unparsed, want)
		}
	}
}
