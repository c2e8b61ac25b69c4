package logparse_test

import (
	"strings"
	"testing"
)

// A copy gives the row of the line that was copied.
func TestCopiesOfLines(t *testing.T) {
	const (
		postfix  = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, orig_to=<i@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no <a@b.example> (in reply to RCPT TO command))"
		exim     = "2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 no <a@b.example>"
		local    = "2026-11-23 12:57:36 1xVTbv-00000r-1v == joe <joe@b.example> R=x T=y defer (-22): mailbox is full"
		sendmail = "Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, ctladdr=<i@b.example> (8/0), delay=00:00:01, xdelay=00:00:01, mailer=local, pri=30242, dsn=5.1.1, stat=User unknown"
		command  = `Nov 23 12:57:36 mx postfix/local[4]: 4f1XyZabcd: to=<a@b.example>, relay=local, delay=1, delays=0/0/0/1, dsn=5.3.0, status=bounced (Command died with status 1: "procmail -a "$EXTENSION"")`
		smtpd    = `Nov 23 12:57:36 mx smtpd[4]: 770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<-> source="-" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail" stat="550 5.1.1 no <a@b.example>"`
	)
	entities := strings.NewReplacer("<", "&lt;", ">", "&gt;", `"`, "&quot;")
	for _, line := range []string{postfix, exim, local, sendmail, command, smtpd} {
		want := describeAll(events(newParser(t, ""), line+"\n"))
		for _, copied := range []string{
			"❌ " + line, "~ " + line, "--> " + line, "• " + line, "`" + line + "`", "# " + line, "  ⚠️  " + line,
			"{code}" + line + "{code}", "{noformat:title=mail.log} " + line + "{noformat}",
			"[code]" + line + "[/code]", "[FONT=courier new]" + line + "[/FONT]", "[quote=jane, 12]" + line, "[B][COLOR=red]" + line + "[/COLOR][/B]",
			"<pre>" + entities.Replace(line) + "</pre>", "<p><code>" + entities.Replace(line) + "</code></p>", `<li class="log">` + entities.Replace(line) + "<br />",
			entities.Replace(line), "> " + entities.Replace(line),
			strings.ReplaceAll(line, " to=<a@b.example>", " to=<[email]a@b.example[/email]>"),
			strings.ReplaceAll(line, " to=<a@b.example>", ` to=<[EMAIL="a@b.example"]a@b.example[/EMAIL]>`),
			strings.Replace(line, " to=<a@b.example>", " to=<[a@b.example](mailto:a@b.example)>", 1),
			strings.Replace(line, " to=<a@b.example>", " to=<a@b.example <mailto:a@b.example>>", 1),
			strings.ReplaceAll(line, " to=<a@b.example>", " to=< [email]a@b.example[/email]>"),
			strings.Replace(line, " to=<a@b.example>", " to=[a@b.example](mailto:a@b.example)", 1),
			strings.Replace(line, " to=<a@b.example>", " to=[<a@b.example>](mailto:a@b.example)", 1),
			strings.Replace(line, " to=<a@b.example>", " to=a@b.example <mailto:a@b.example>", 1),
			strings.Replace(line, " to=<a@b.example>", ` to=\<a@b.example\>`, 1),
			strings.Replace(line, " to=<a@b.example>", ` to=\<<a@b.example>\>`, 1),
			strings.Replace(line, "status=bounced", "**status=bounced**", 1),
			strings.Replace(line, " ** a@b.example", " ** [email]a@b.example[/email]", 1),
			strings.Replace(line, " ** a@b.example", " ** <a@b.example>", 1),
			"<p>" + strings.ReplaceAll(entities.Replace(line), ", ", ", <br />") + "</p>",
			strings.ReplaceAll(entities.Replace(line), ", ", ", <br />"),
			"**" + line + "**",
			strings.ReplaceAll(entities.Replace(line), "&lt;a@b.example&gt;", `&lt;<a href="mailto:a@b.example">a@b.example</a>&gt;`),
			strings.Replace(entities.Replace(line), " to=&lt;a@b.example&gt;", ` to=&lt;<A HREF="https://b.example/info">a at b.example</A>&gt;`, 1),
			strings.Replace(entities.Replace(line), " ** a@b.example", ` ** <A HREF="https://b.example/info">a at b.example</A>`, 1),
			strings.Replace(line, " to=<a@b.example>,", ` to=<a href="mailto:a@b.example">a@b.example</a>,`, 1),
			strings.Replace(line, " to=<a@b.example>,", ` to=<a href="&#109;ailto&#58;a&#64;b.example">a&#64;b.example</a>,`, 1),
			strings.NewReplacer("&lt;", "&#60;", "&gt;", "&#x3e;", "@", "&#64;").Replace(entities.Replace(line)),
			strings.Replace(line, " to=<a@b.example>", " to=<a () b ! example>", 1),
			strings.Replace(line, " to=<a@b.example>", " to=<a&#64;b.example>", 1),
			strings.NewReplacer(" to=<a@b.example>", " to=<a at b.example>", "from=<news@a.example>", "from=<news at a.example>").Replace(line),
			strings.Replace(line, " ** a@b.example", " ** a at b.example", 1),
			strings.Replace(line, " ** a@b.example", " ** **a@b.example**", 1),
			strings.Replace(line, " to=<a@b.example>", " to=<**a@b.example**>", 1),
			strings.Replace(line, " to=<a@b.example>", " to=<a @ b.example>", 1),
			strings.ReplaceAll(line, ", ", ",  "),
			strings.ReplaceAll(strings.ReplaceAll(line, ": ", ":  "), "57:36 ", "57:36  "),
			strings.ReplaceAll(strings.ReplaceAll(line, " ** ", " **  "), " R=", "  R="),
			strings.Replace(strings.Replace(line, " ** ", " **", 1), " == ", " ==", 1),
			strings.Replace(line, "dsn=5.1.1, stat=", "dsn=5.1.1,stat=", 1),
			strings.ReplaceAll(line, ", ", ","),
			strings.NewReplacer("from=<news@a.example>", "from=news@a.example", " to=<a@b.example> ", " to=a@b.example ", "rcpt=<->", "rcpt=-").Replace(line),
			strings.Replace(line, " R=x T=y H=", " F= P= R=x T=y H=", 1),
			strings.NewReplacer("(8/0), delay=", "(8/0),delay=", ", pri=", ",pri=", "30242, dsn=", "30242,dsn=").Replace(line),
			strings.Replace(line, " ** a@b.example", " ** [a@b.example](mailto:a@b.example)", 1),
			strings.Replace(line, "to=<a@b.example>, ctladdr=", "to=a@b.example ctladdr=", 1),
		} {
			p := newParser(t, "")
			got := describeAll(events(p, copied+"\n"))
			if c := p.Counts(); strings.Join(got, "\n") != strings.Join(want, "\n") || c.Unparsed != 0 || c.Lines != 1 || c.Recognised != 1 {
				t.Errorf("%s\n got %v, %+v, not parsed: %v\nwant %v", copied, got, c, p.TakeUnparsed(), want)
			}
		}
	}
}

// People leave out fields of a line that they show, and a terminal has colours. Only
// Postfix writes no control characters: those of others are part of what they log.
func TestCopiesOfPostfixLines(t *testing.T) {
	const line = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to mx.b.example[192.0.2.1]:25: Connection refused)"
	want := describeAll(events(newParser(t, ""), line+"\n"))
	for _, copied := range []string{
		strings.Replace(line, ", delay=1, delays=0/0/0/1", ", …", 1),
		strings.Replace(line, ", delay=1, delays=0/0/0/1,", ", ...", 1),
		strings.ReplaceAll(line, "=", "=3D"),
		strings.ReplaceAll(line, " ", "\u00a0"),
		strings.Replace(line, ": to", ":\u00a0to", 1),
		strings.NewReplacer("<", "&lt;", ">", "&gt;", " ", "&nbsp;").Replace(line),
		strings.NewReplacer("[", `\[`, "]", `\]`).Replace(line),
		strings.NewReplacer("[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`).Replace(line),
		strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(line) + "<br />",
		strings.Replace(line, "a@b.example", "a at b.example", 1),
		strings.Replace(line, "a@b.example", "a [at] b.example", 1),
		strings.Replace(line, "a@b.example", "a(at)b.example", 1),
		strings.Replace(line, "status=deferred", "\x1b[01;31m\x1b[Kstatus=deferred\x1b[m\x1b[K", 1),
		strings.Replace(line, "a@b.example", "\x1b[01;31m\x1b[Ka@b.example\x1b[m\x1b[K", 1),
	} {
		p := newParser(t, "")
		if got := describeAll(events(p, copied+"\n")); strings.Join(got, "\n") != strings.Join(want, "\n") || p.Counts().Unparsed != 0 {
			t.Errorf("%s\n got %v, want %v; not parsed: %v", copied, got, want, p.TakeUnparsed())
		}
	}
	const sendmail = "Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084: to=<\x1b[mv@bank.example>, delay=00:00:01, mailer=local, dsn=5.1.1, stat=User \x1b[munknown"
	for _, ev := range events(newParser(t, ""), sendmail+"\n") {
		if ev.Recipient == "v@bank.example" {
			t.Errorf("%q\n got %s", sendmail, describe(&ev))
		}
	}
}

// An address whose local part looks like a copy speaks for nobody else.
func TestEximAddressesThatLookLikeCopies(t *testing.T) {
	for _, copied := range []string{
		"<v@bank.example>", "[email]v@bank.example[/email]", "v at bank.example", "v () bank ! example", "v&#64;bank.example", "v&lt;&#64;bank.example",
		"**v@bank.example**", "v @ bank.example",
		"<a href=x>v@bank.example</a>", "&lt;<a href=x>v@bank.example</a>&gt;",
	} {
		for _, local := range []string{copied + " R=x T=y: 550 no", copied + ": 550 no", copied + " x"} {
			for _, mark := range []string{"**", "==", "=>"} {
				line := "2026-11-23 12:57:36 1xVTbv-00000r-1v " + mark + " " + local + `@evil.example <"` + local + `"@evil.example> R=all T=remote H=mx.evil.example [192.0.2.1]`
				for _, end := range []string{"", ` C="250 ok"`, ": SMTP error from remote mail server after RCPT TO:<x>: 550 no", " defer (-44): 450 no"} {
					for _, ev := range events(newParser(t, ""), line+end+"\n") {
						if ev.Recipient == "v@bank.example" {
							t.Errorf("%s\n got %s", line+end, describe(&ev))
						}
					}
				}
			}
		}
	}
}

// What a copy or a collector has behind a line is no part of the reply.
func TestSpacesBehindALineOfPostfix(t *testing.T) {
	for _, reason := range []string{"connect to mx.b.example[192.0.2.1]:25: Connection refused", "host mx.b.example[192.0.2.1] said: 550 no (in reply to RCPT TO command)"} {
		line := "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (" + reason + ")"
		want := row(events(newParser(t, ""), line+"\n"))
		for _, behind := range []string{" \t", ".", " 215", "”", ",,,,", "$", ` \`} {
			if got := row(events(newParser(t, ""), line+behind+"\n")); got != want {
				t.Errorf("%q: got %s\nwant %s", behind, got, want)
			}
		}
	}
}

// An archive hid the address, and nothing says what it was.
func TestHiddenAddresses(t *testing.T) {
	for _, to := range []string{"...", "[email protected]", "a at", `<a href="mailto:a@c.example">a@b.example</a>`} {
		p := newParser(t, "")
		got := events(p, "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<"+to+">, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n")
		if len(got) > 0 || p.Counts().Unparsed != 1 {
			t.Errorf("%s: got %v, %+v", to, describeAll(got), p.Counts())
		}
	}
}

// A person masked the name. Signs of a page are no name.
func TestMaskedNames(t *testing.T) {
	for to, want := range map[string]int{"[hidden]@b.example": 1, "[]@b.example": 0, "[url=x]@b.example": 0, "[url]a@b.example[/url]": 1, `[EMAIL="a@b.example"]b.example[/EMAIL]`: 0} {
		for _, line := range []string{
			"Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<" + to + ">, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)",
			"Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084: to=<" + to + ">, delay=00:00:01, mailer=esmtp, relay=mx.b.example. [192.0.2.1], dsn=4.0.0, stat=Deferred: x",
			"2026-11-23 12:57:36 1xVTbv-00000r-1v == " + to + " R=dnslookup T=remote_smtp defer (110): Connection timed out",
		} {
			p := newParser(t, "")
			got := events(p, line+"\n")
			if len(got) != want || p.Counts().Unparsed != 1-want {
				t.Errorf("%s: got %v, %+v", line, describeAll(got), p.Counts())
			}
			if want > 0 && to[1] == 'h' && len(got) > 0 && got[0].Recipient != to {
				t.Errorf("%s: got %v", line, describeAll(got))
			}
		}
	}
}

// What cannot be restored is counted as it was logged.
func TestTheExampleOfALineThatIsNoCopy(t *testing.T) {
	p := newParser(t, "")
	got := events(p, "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<[email protected]>,  relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n")
	unparsed := p.TakeUnparsed()
	if len(got) > 0 || len(unparsed) != 1 || !strings.HasPrefix(unparsed[0].Example, "4f1XyZabcd: to=<[email protected]>,  relay=") || unparsed[0].Shape == "" {
		t.Errorf("got %v, not parsed: %+v", describeAll(got), unparsed)
	}
}

// Dots in an address are part of it.
func TestDotsInAnAddressStay(t *testing.T) {
	for _, to := range []string{`"a, ..., b"@b.example`, "a, ..., b@b.example", "a, …, b@b.example"} {
		line := "~ Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<" + to + ">, relay=none, …, dsn=4.4.1, status=deferred (x)\n"
		for _, ev := range events(newParser(t, ""), line) {
			if ev.Recipient != to {
				t.Errorf("%s got %s", line, describe(&ev))
			}
		}
	}
}

// What is not a change by a copy stays: a line that can be read is read as it is.
func TestAReadableLineIsNoCopy(t *testing.T) {
	const line = `Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<"a  [b]&lt;c"@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (a  [i]&lt;b)`
	got := events(newParser(t, ""), line+"\n")
	if len(got) != 1 || got[0].Recipient != `"a  [b]&lt;c"@b.example` || got[0].Reply.Text != "a  [i]&lt;b" {
		t.Errorf("got %v", describeAll(got))
	}
}

// The sender and the message-id of a copied page are read too.
func TestSendersOfACopiedPage(t *testing.T) {
	log := withHeader("Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY")
	want := row(events(newParser(t, ""), log))
	if got := row(events(newParser(t, ""), strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(log))); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
