package logparse_test

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestSuccessesThatDeliverNothing(t *testing.T) {
	const (
		fields  = ", delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
		program = "Nov 23 12:57:36 mx postfix/pipe[4]: 4XabcZ1y2z: to=<a@b.example>, relay="
		local   = "Nov 23 12:57:36 mx postfix/local[4]: 4XabcZ1y2z: to=<a@b.example>, relay=local" + fields
		toProg  = ", ctladdr=<a@b.example> (8/0), delay=00:00:00, xdelay=00:00:00, mailer=prog, pri=1, dsn=2.0.0, stat=Sent"
		dropped = "2.7.0 Ok, discarded, id=03774-01 - spam"
	)
	for line, want := range map[string]bool{
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10024" + fields + "(250 " + dropped + ")":                                  true,
		postfix + "to=<a@b.example>, relay=amavis[172.18.0.5]:10024" + fields + "(250 " + dropped + ")":                                    true,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10026" + fields + "(250 2.7.0 Ok, quarantined, id=1-1 - spam)":             true,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10026" + fields + "(250 Virus Detected; Discarded Email)":                  true,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10024" + fields + "(250 2.5.0 OK (2201FD6A5A1F9A0F8E1))":                   true,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10024" + fields + "(250 2.7.0 BLOCKED (2201FD6A5A1F9A0F8E1))":              true,
		exim + `=> discarded <a@b.example> R=filter`:                                                                                       true,
		exim + `=> discarded <discarded@b.example> R=localuser T=local_delivery`:                                                           false,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:24" + fields + "(250 2.0.0 <discarded@b.example> x Saved)":                 false,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10024" + fields + "(250 2.5.0 Ok, id=1-1, BOUNCE)":                         true,
		postfix + "to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:24" + fields + "(250 2.1.5 <quarantined@b.example> ok)":                    false,
		postfix + "to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25" + fields + "(250 2.0.0 not discarded)":                              false,
		program + "vacation" + fields + "(delivered via vacation service)":                                                                 true,
		program + "autoreply" + fields + "(delivered via autoreply service)":                                                               true,
		program + "dovecot" + fields + "(delivered via dovecot service)":                                                                   false,
		local + "(delivered to command: /usr/bin/vacation a)":                                                                              true,
		local + "(delivered to command: procmail -a \"$EXTENSION\")":                                                                       false,
		exim + `=> a@b.example R=amavis T=amavis H=127.0.0.1 [127.0.0.1] C="250 ` + dropped + `"`:                                          true,
		exim + `=> a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1] C="250 ` + dropped + `"`:                               false,
		exim + `=> a <a@b.example> F=<news@a.example> R=userautoreply T=userautoreply S=494`:                                               true,
		exim + `=> a <a@b.example> R=vacation T=vacation_reply`:                                                                            true,
		exim + `=> a <a@b.example> R=localuser T=local_delivery`:                                                                           false,
		sendmail + "to=a@b.example, delay=00:00:01, mailer=esmtp, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (" + dropped + ")":   true,
		sendmail + "to=a@b.example, delay=00:00:01, mailer=esmtp, relay=mx.b.example. [192.0.2.1], dsn=2.0.0, stat=Sent (not discarded)":   false,
		sendmail + `to="|/usr/bin/vacation a"` + toProg:                                                                                    true,
		sendmail + `to="|/usr/bin/procmail"` + toProg:                                                                                      false,
		sendmail + "to=/var/spool/archive, delay=00:00:00, mailer=*file*, stat=Sent":                                                       true,
		opensmtpd + `from=<n@a.example> to=<a@b.example> rcpt=<-> relay="127.0.0.1 (localhost)" delay=0s result="Ok" stat="250 ` + dropped: true,
	} {
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 || got[0].Outcome != bounce.Sent || got[0].Discarded != want {
			t.Errorf("%s\n got %v, want a success that delivers nothing: %t", line, describeAll(got), want)
		}
	}
}

// A program or a file is no recipient. The alias that led to it is one.
func TestSendmailProgramsWithoutAnAliasAreCounted(t *testing.T) {
	p := newParser(t, "")
	line := sendmail + `to="|/home/mail/list.pl a", delay=00:00:05, xdelay=00:00:05, mailer=prog, stat=unknown mailer error 13`
	if got := events(p, line+"\n"); len(got) != 0 || len(p.TakeUnparsed()) != 1 {
		t.Errorf("got %v, want no event and one line that was counted", describeAll(got))
	}
}

func TestWhatSendmailHoldsIsNoAttempt(t *testing.T) {
	for _, rest := range []string{"pri=30029, quarantine=Suspect attachment, stat=quarantine", "pri=30029, quarantine=virus, found Eicar, stat=quarantine", "pri=30029, stat=queued"} {
		p := newParser(t, "")
		if got := events(p, sendmail+"to=<a@b.example>, delay=00:00:06, mailer=local, "+rest+"\n"); len(got) != 0 || len(p.TakeUnparsed()) != 0 {
			t.Errorf("%s: got %v, want neither an event nor a line that was counted", rest, describeAll(got))
		}
	}
}

func TestFieldsOfOtherSendmailsAreSteppedOver(t *testing.T) {
	line := sendmail + "to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, tls_verify=TEMP, tls_version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, " +
		"pri=31000, relay=mx.b.example. [192.0.2.1], dane=no, dsn=5.7.1, flavour=new, reply=550 5.7.1 dsn=2.0.0, stat=Sent, stat=Service unavailable"
	got := events(newParser(t, ""), line+"\n")
	if len(got) != 1 || got[0].Outcome != bounce.Bounced || got[0].DSN != "5.7.1" || got[0].Transport != "esmtp" ||
		got[0].Reply.RelayIP != "192.0.2.1" || got[0].Reply.SMTPCode != 550 {
		t.Errorf("got %v", describeAll(got))
	}
}

// cPanel's filters change an address whose local part has spaces, so that only the
// addresses in between have quotes.
func TestEximParentsWithQuotes(t *testing.T) {
	const tail = ` SRS=<SRS0=x@a.example> R=virtual_user T=dovecot_virtual_delivery C="250 2.0.0 <joe+My Box@b.example> x Saved"`
	for line, want := range map[string]string{
		`=> joe+my box ("joe+My Box"@b.example, "joe+My Box"@b.example, joe@b.example) <joe@b.example>` + tail:                   "joe@b.example",
		`=> joe+my box@c.example ("joe+My Box"@b.example, joe@b.example) <joe@b.example>` + tail:                                 `"joe+my box"@c.example`,
		`** joe+my box ("joe+My Box"@b.example) <joe@b.example> R=virtual_user T=local_delivery: quota`:                          "joe@b.example",
		`=> x (a@b.example) <victim@c.example> R=r T=t ("x (a@b.example) <victim@c.example> R=r T=t"@b.example) <joe@b.example>`: "",
		`** x ("q"@b.example) <victim@c.example> : no ("x"@b.example) <joe@b.example> R=virtual_user T=local_delivery: quota`:    "",
	} {
		p := newParser(t, "")
		got := events(p, exim+line+"\n")
		switch unparsed := p.TakeUnparsed(); {
		case want == "" && (len(got) != 0 || len(unparsed) != 1):
			t.Errorf("%s\n got %v, want a line that was counted", line, describeAll(got))
		case want != "" && (len(got) != 1 || got[0].Recipient != want):
			t.Errorf("%s\n got %v, want %s", line, describeAll(got), want)
		}
	}
}

func TestMaskedEximIDsAreCounted(t *testing.T) {
	for line, want := range map[string]int{
		"2026-11-23 12:57:36 1wrSQ0-x == a@b.example R=dnslookup T=remote_smtp defer (111): Connection refused":                     1,
		"2026-11-23 12:57:36 1wrSQ0-... ** a@b.example <l@b.example> R=dnslookup T=remote_smtp: SMTP error from remote mail server": 1,
		"2026-11-23 12:57:36 XXXXXX => a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]":                            1,
		"2026-11-23 12:57:36 value => a@b.example": 0,
		"2026-11-23 12:57:36 1wrSQ0-000000-x1 H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b>: 451": 0,
	} {
		p := newParser(t, "")
		got := events(p, strings.TrimSpace(line)+"\n")
		if n := len(p.TakeUnparsed()); len(got) != 0 || n != want {
			t.Errorf("%s\n got %v and %d lines that were counted, want %d", line, describeAll(got), n, want)
		}
	}
}

// The processes of OpenSMTPD 5.3 logged under their own names, and pages take brackets away.
func TestProcessesOfOpenSMTPD53(t *testing.T) {
	for line, want := range map[string]bounce.Outcome{
		"Apr 25 12:48:01 mx transfer[46]: relay: TempFail for 66251a4092099e2d: from=n@a.example, to=a@b.example, relay=192.0.2.1 (mx.b.example), delay=12s, stat=451 later":                          bounce.Deferred,
		"Apr 25 12:48:01 mx transfer[46]: relay: PermFail for 66251a4092099e2d: from=<n@a.example>, to=<a@b.example>, rcpt=<->, relay=192.0.2.1 (mx.b.example), delay=12s, stat=550 to=<c@d.example>": bounce.Bounced,
		"Apr 25 12:48:01 mx delivery[46]: delivery: Ok for 66251a4092099e2d: from=<n@a.example>, to=<a@b.example>, user=a, method=mbox, delay=1s, stat=Delivered":                                     bounce.Sent,
	} {
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 || got[0].Recipient != "a@b.example" || got[0].Sender != "n@a.example" || got[0].Outcome != want {
			t.Errorf("%s\n got %v, want %s", line, describeAll(got), want)
		}
	}
}

// Programs of other names may quote a mail server.
func TestProgramsNamedAsProcessesOfOpenSMTPD(t *testing.T) {
	for _, line := range []string{
		"Apr 25 12:48:01 mx transfer[46]: file a@b.example: PermFail for 66251a4092099e2d",
		"Apr 25 12:48:01 mx delivery[46]: order 12 for a@b.example, stat=Delivered",
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) != 0 || len(p.TakeUnparsed()) != 0 {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
}

// A filter repeats what the server said that takes the message back.
func TestTheNextIDOfOpenSMTPDBehindAFilter(t *testing.T) {
	line := opensmtpd + `from=<n@a.example> to=<a@b.example> rcpt=<-> relay="127.0.0.1 (localhost)" delay=0s result="Ok" ` +
		`stat="250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 f6e94209 Message accepted for delivery"`
	if got := events(newParser(t, ""), line+"\n"); len(got) != 1 || got[0].Onward != "f6e94209" || !got[0].Handover {
		t.Errorf("got %v", describeAll(got))
	}
}

func TestWhatEximPrintsIsCounted(t *testing.T) {
	for line, want := range map[string]int{
		"exim_1    == a@b.example R=dnslookup defer (-1): host lookup did not complete": 1,
		"mail  |   273   => a@b.example R=dnslookup T=remote_smtp H=mx [192.0.2.1]":     1,
		"  ** a@b.example R=bounce : just discard":                                      1,
		"  ** a@b.example: retry timeout exceeded":                                      1,
		"  ** a@b.example: Unrouteable address":                                         1,
		"note => a@b.example R=x":                                                       0,
		"see => a@b.example: the address":                                               0,
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) != 0 || len(p.TakeUnparsed()) != want {
			t.Errorf("%s\n got %v, want %d lines that were counted", line, describeAll(got), want)
		}
	}
}
