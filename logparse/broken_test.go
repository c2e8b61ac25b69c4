package logparse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/logparse"
)

// endOf reads a text as a log that is complete.
func endOf(p *logparse.Parser, text string) []string {
	got := events(p, text)
	p.End(true, func(ev *bounce.Event) { got = append(got, *ev) })
	return describeAll(got)
}

// A line that was broken gives the row of the whole line, wherever that was.
func TestBrokenLines(t *testing.T) {
	const postfix = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))"
	const next = "Nov 23 12:57:37 mx postfix/smtpd[4]: connect from client.example[192.0.2.9]"
	want := row(events(newParser(t, ""), postfix+"\n"))
	first, status := strings.Index(postfix, " to=<"), strings.Index(postfix, " status=")
	for at := first; at < len(postfix); at++ {
		if postfix[at] != ' ' {
			continue
		}
		for name, broken := range map[string]string{
			"once":        postfix[:at] + "\n" + postfix[at+1:] + "\n",
			"indented":    postfix[:at] + " \r\n  " + strings.ReplaceAll(postfix[at+1:], ", ", ",\r\n  ") + "\r\n",
			"quoted":      "> " + postfix[:at] + "\n> " + strings.ReplaceAll(postfix[at+1:], " said: ", " said:\n> ") + "\n",
			"in a mail":   strings.ReplaceAll(postfix[:at], "=", "=3D") + "=\n" + strings.ReplaceAll(postfix[at:], "=", "=3D") + "\n",
			"double":      postfix[:at] + "\n\n" + postfix[at+1:] + "\n\n",
			"in the word": postfix[:at+3] + "\n" + postfix[at+3:] + "\n",
		} {
			if name == "in the word" && (at == first || at >= status) {
				continue
			}
			for _, log := range []string{broken, broken + next + "\n", next + "\n" + broken + next + "\n"} {
				p := newParser(t, "")
				if got := row(events(p, log)); got != want || p.Counts().Unparsed != 0 || p.Counts().Lines != strings.Count(log, "\n") {
					t.Errorf("%s:\n%s got %s, %+v, not parsed: %v\nwant %s", name, log, got, p.Counts(), p.TakeUnparsed(), want)
				}
			}
		}
	}
}

// The parts may come in several batches.
func TestABrokenLineInSeveralBatches(t *testing.T) {
	const log = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>,\n  relay=none, delay=1, delays=0/0/0/1,\n dsn=4.4.1, status=deferred (connect to\n b.example[192.0.2.1]:25: refused)\nNov 23 12:57:37 mx postfix/qmgr[4]: 4f1XyZabcd: removed\n"
	want := describeAll(events(newParser(t, ""), log))
	if len(want) != 2 {
		t.Fatalf("got %v", want)
	}
	for at, c := range log {
		if c != '\n' {
			continue
		}
		p := newParser(t, "")
		got := describeAll(events(p, log[:at+1]))
		p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: noon, State: p.State()})
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, describeAll(events(p, log[at+1:]))...); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("cut at %d: got %v, want %v", at, got, want)
		}
	}
}

// The sender is known too.
func TestABrokenLineOfTheQueueManager(t *testing.T) {
	const log = "Nov 23 12:57:35 mx postfix/qmgr[4]: 4f1XyZabcd: from=<news@a.example>,\nsize=500, nrcpt=1 (queue active)\nNov 23 12:57:36 mx postfix/qmgr[4]: 4f1XyZabcd: removed\n"
	if got := describeAll(events(newParser(t, ""), log)); len(got) != 2 || !strings.Contains(got[0], `from="news@a.example"`) {
		t.Errorf("got %v", got)
	}
}

// Lines that do not complete a line which was cut are read as they are.
func TestLinesBehindACutLine(t *testing.T) {
	const (
		cut   = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, del"
		whole = "Nov 23 12:57:37 mx postfix/smtp[4]: 4f1XyZabce: to=<c@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"
		bare  = "postfix/smtp[4]: 4f1XyZabcf: to=<d@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"
	)
	for log, want := range map[string]struct{ rows, unparsed int }{
		cut + "\n":                              {0, 1},
		cut + "\n" + whole + "\n":               {1, 1},
		cut + "\n" + cut + "\n":                 {0, 2},
		cut + "\n" + bare + "\n" + whole + "\n": {1, 2},
		cut + "\n{\n  \"time\": \"2026-11-23T12:57:37Z\",\n  \"message\": \"" + bare + "\"\n}\n":                                                                                                          {1, 1},
		cut + "\nlines 1-20\n" + whole + "\n":                                                                                                                                                             {1, 1},
		cut + "\n" + strings.Repeat("x\n", 1000):                                                                                                                                                          {0, 1},
		cut + "\n" + strings.Repeat("x", 1<<20) + "\n":                                                                                                                                                    {0, 1},
		"Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd:\n" + whole + "\n":                                                                                                                                {1, 0},
		"Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084: to=<a@b.example>, delay=00:00:01,\n mailer=local, dsn=5.1.1, stat=x\n":                                                                             {1, 0},
		"Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084:\nto=<a@b.example>, delay=00:00:01, mailer=local, dsn=5.1.1, stat=x\n":                                                                              {1, 0},
		"Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084:\nto=<a@b.example>, delay=00:00:01, mailer=l\n\tocal, dsn=5.1.1, st\n\tat=x, stat=y z\n" + whole + "\n":                                             {1, 1},
		"Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084:\nlines 1-20\n":                                                                                                                                     {0, 0},
		"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=dnslookup\nT=remote_smtp: SMTP error from remote mail\nserver after RCPT TO:<a@b.example>: 550 no\n":                                       {1, 0},
		"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp\n2026-11-23 12:57:36 1xVTbv-00000r-1v Completed\n":                                                                 {2, 0},
		"`Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=, relay=none, delay=1, delay\ns=0/0/0/1, dsn=4.4.1, status=deferred (x)`\n":                                                                  {0, 1},
		"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example\n  R=dnslookup T=remote_smtp: Unrouteable address\n":                                                                                         {1, 0},
		"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.exam\n2026-11-23 12:57:37 1xVTbv-00000r-1v Completed\n":                                                                                              {1, 1},
		"2026-11-23 12:57:36 1xVTbv-00000r-1v == a@b.example R=dnslookup T=remote_smtp\nlines 1-20\n":                                                                                                     {0, 1},
		"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp\nlines 1-20\n":                                                                                                     {1, 0},
		"Nov 23 12:57:36 mx smtpd[4]: relay: PermFail for\n6430369adcce4408: from=<n@a.example>, to=<a@b.example>,\nrcpt=<->, source=192.0.2.9, relay=192.0.2.1 (mx.b.example), delay=0s,\nstat=550 no\n": {1, 0},
		"Nov 23 12:57:36 mx smtpd[4]: 1e722991167e2b80 mda delivery evpid=f9293a5cb336a379\nfrom=<n@a.example> to=<a@b.example> rcpt=<a@b.example>\nuser=a delay=1s result=TempFail\nstat=Error (x)\n":    {1, 0},
	} {
		p := newParser(t, "")
		if got := endOf(p, log); len(got) != want.rows || p.Counts().Unparsed != want.unparsed || p.Counts().Lines != strings.Count(log, "\n") {
			t.Errorf("%.300s\n got %v, %+v, want %+v", log, got, p.Counts(), want)
		}
	}
}

// A line of Exim that ends before the reply gives the reply in the next lines, wherever
// behind the recipient it was broken.
func TestABrokenLineOfExim(t *testing.T) {
	const whole = "2026-11-23 12:57:36 1xVTbv-00000r-1v == a@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 4.7.1 Try again later"
	want := describeAll(events(newParser(t, ""), whole+"\n"))
	const next = "2026-11-23 12:57:37 1xVTbv-00000r-2v Completed\n"
	for at := range len(whole) {
		if whole[at] != ' ' || at < strings.Index(whole, " R=") || at > strings.Index(whole, " 450") {
			continue
		}
		p := newParser(t, "")
		if got := describeAll(events(p, whole[:at]+"\n  "+whole[at+1:]+"\n"+next)); len(got) != 2 || got[0] != want[0] || p.Counts().Unparsed != 0 {
			t.Errorf("cut at %d: got %v, want %v", at, got, want)
		}
	}
}

// The status of OpenSMTPD ends with a quotation mark.
func TestABrokenLineOfOpenSMTPD(t *testing.T) {
	const whole = `Nov 23 12:57:36 mx smtpd[4]: 770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail" stat="550 5.1.1 No such user here"`
	want := describeAll(events(newParser(t, ""), whole+"\n"))
	const next = "Nov 23 12:57:37 mx smtpd[4]: 770afeddea7e9413 mta disconnected reason=quit messages=1\n"
	for at := strings.Index(whole, " to="); at < len(whole); at++ {
		if whole[at] != ' ' {
			continue
		}
		p := newParser(t, "")
		if got := describeAll(events(p, whole[:at]+"\n  "+whole[at+1:]+"\n"+next)); strings.Join(got, "\n") != strings.Join(want, "\n") || p.Counts().Unparsed != 0 {
			t.Errorf("broken at %q: got %v, not parsed: %v, want %v", whole[at:], got, p.TakeUnparsed(), want)
		}
		if got := events(newParser(t, ""), whole[:len(whole)-2]+"\n"+next); len(got) != 1 || got[0].Reply.SMTPCode != 550 {
			t.Errorf("cut: got %v", describeAll(got))
		}
	}
}

// A terminal breaks a line where its width ends, also within a word or an address.
func TestLinesBrokenAtTheWidthOfATerminal(t *testing.T) {
	for _, whole := range []string{
		"Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<some.one.with.a.long.name@mail.b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))",
		"2026-11-23 12:57:36 1xVTbv-00000r-1v == someone@b.example R=dnslookup T=remote_smtp defer (-44): SMTP error from remote mail server after RCPT TO:<someone@b.example>: 450 4.7.1 Try again later, when the moon is full again",
		"Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084: to=<someone@mail.b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 no such user, stat=User unknown",
	} {
		want := describeAll(events(newParser(t, ""), whole+"\n"))
		for width := 60; width < 110; width++ {
			var log strings.Builder
			for rest := whole; rest != ""; {
				n := min(width, len(rest))
				log.WriteString(rest[:n] + "\n")
				rest = rest[n:]
			}
			p := newParser(t, "")
			if got := endOf(p, log.String()); strings.Join(got, "\n") != strings.Join(want, "\n") || p.Counts().Unparsed != 0 || p.Counts().Recognised != 1 {
				t.Errorf("%s\n got %v, not parsed: %v\nwant %v", log.String(), got, p.TakeUnparsed(), want)
			}
		}
	}
}

// The paragraphs of a page hold broken lines.
func TestBrokenLinesOfAPage(t *testing.T) {
	const whole = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to b.example[192.0.2.1]:25: refused)"
	want := describeAll(events(newParser(t, ""), whole+"\n"))
	page := strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(whole)
	for at := strings.Index(page, " to="); at < strings.Index(page, " status="); at++ {
		if page[at] != ' ' {
			continue
		}
		p := newParser(t, "")
		log := "<blockquote>\n  <p>" + page[:at] + "\n  " + page[at+1:] + "</p>\n\n  <p>Nov 23 12:57:37 mx postfix/qmgr[4]: 4f1XyZabcd: removed</p>\n"
		if got := endOf(p, log); len(got) == 0 || got[0] != want[0] || p.Counts().Unparsed != 0 {
			t.Errorf("%s\n got %v, not parsed: %v\nwant %v", log, got, p.TakeUnparsed(), want)
		}
	}
}

// A terminal breaks the line about a sender of Sendmail. Its queue ID counts, and a
// message-id only as a whole.
func TestBrokenSendersOfSendmail(t *testing.T) {
	const whole = "Nov 23 12:57:36 mx sm-mta[4]: 6AND4fXL000084: from=<news@a.example>, size=242, class=0, nrcpts=1, msgid=<1.2@a.example>, proto=ESMTP, relay=localhost [127.0.0.1]"
	for at := strings.Index(whole, ", class"); at < len(whole); at++ {
		if whole[at-1] == ',' || whole[at-1] == ' ' {
			continue // the line waits for its other part
		}
		got := events(newParser(t, ""), whole[:at]+"\n"+whole[at:]+"\n")
		id := ""
		if at >= strings.Index(whole, ", proto") {
			id = "1.2@a.example"
		}
		if len(got) != 1 || got[0].QueueID != "6AND4fXL000084" || got[0].Sender != "news@a.example" || got[0].MessageID != id {
			t.Errorf("%s\n got %v, want the message-id %q", whole[:at], describeAll(got), id)
		}
	}
}
