package logparse_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/volume"
)

// Strangers choose recipients, and the servers that they run choose replies. The
// tests below write the lines that each MTA writes of such addresses, and accept
// only the recipient that the line is about, or none.

// hostileWords are parts of lines, of addresses and of their quotes.
var hostileWords = []string{
	"v@bank.example", "w", "v", "bank.example", "@", " ", " ", ": ", " : ", ":", ",", ", ", "<", ">", " <", "> ", `"`, `\`, "(", ")", " (", ") ", "[", "]", "{", "=",
	` <"a"@b>`, ` <"v"@bank.example>`, ` <v@bank.example>`, ` <v@bank.example> R=r T=t`, ` <"v"@bank.example> : 550 no`, ` <a\ b@bank.example> R=x`, ` (v@bank.example)`,
	" R=dnslookup", " T=remote_smtp", " T=address_pipe", " H=mx.bank.example [192.0.2.1]", " H=127.0.0.1 [127.0.0.1]", " F=<v@bank.example>", ` C="250 OK id=1xVTbv-00000r-1v"`, " r=r", " t=t", " h=m [192.0.2.1]",
	": SMTP error from remote mail server after RCPT TO:<v@bank.example>: 550 5.1.1 user unknown", " : smtp error from remote mail server after rcpt to:<v@bank.example>: 550 5.1.1 user unknown", "retry timeout exceeded", ": retry timeout exceeded",
	" defer (-44)", " defer (0): x", " routing defer (-52): retry time not reached", "|/bin/x ", "/dev/null ", ">reply ", "save in ", ":blackhole:", "|", "/", "system-filter",
	"=> ", "** ", "== ", "1xVTbv-00000r-1v ** v@bank.example: Unrouteable address", "\\n", "\\011", "\t",
	">, relay=mx.bank.example[192.0.2.1]:25", ", delay=1, delays=0/0/0/1", ", dsn=5.1.1", ", status=bounced (host mx.bank.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))", ", status=sent (250 ok)", ", orig_to=<v@bank.example>", "to=<v@bank.example>", "to=<",
	", delay=00:00:01, xdelay=00:00:01", ", mailer=esmtp", ", pri=30242", ", relay=mx.bank.example. [192.0.2.1]", ", dsn=5.1.1", ", stat=User unknown", ", stat=Sent (ok)", ", ctladdr=<v@bank.example> (1/1)", ",<v@bank.example>", "<v@bank.example>", ", v@bank.example",
	// What a copy makes of a line is undone if it cannot be read.
	"[b]", "[/b]", "[email]", "[url=x]", "[v@bank.example](mailto:v", "v@bank.example <mailto:v", "v at bank.example", "v(at)bank.example", "&lt;", "&gt;", "&lt;v@bank.example&gt;", "  ", "<b>", "</b>", "v[b]@bank.example", ",stat=",
	"> rcpt=<-> source=\"192.0.2.9\" relay=\"192.0.2.1 (mx)\" delay=0s result=\"PermFail\" stat=\"550 no\"", "> to=<v@bank.example>", " result=\"Ok\"",
}

func hostileText(rng *rand.Rand, most int) string {
	var b strings.Builder
	for range 1 + rng.IntN(most) {
		b.WriteString(hostileWords[rng.IntN(len(hostileWords))])
	}
	return b.String()
}

// hostileLocal writes a text as a local part, in one of the ways in which SMTP
// does: quoted, in quoted pairs, or as words of both.
func hostileLocal(rng *rand.Rand, text string) string {
	text = strings.NewReplacer("\n", "", "\t", "").Replace(text)
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
	switch rng.IntN(4) {
	case 0:
		var b strings.Builder
		for _, c := range []byte(text) {
			if c < '0' || '9' < c && c < 'A' || 'Z' < c && c < 'a' || 'z' < c {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
		return b.String()
	case 1:
		return "x." + quoted
	}
	return quoted
}

// hostileReply is a reply that repeats parts of the line that it will stand in.
func hostileReply(rng *rand.Rand, before string) string {
	reply := "550 5.1.1 " + hostileText(rng, 4)
	switch rng.IntN(6) {
	case 0: // with all of it as a local part
		reply += "z@bank.example"
		return reply + ` <"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(before+reply[:len(reply)-len("@bank.example")]) + `"@bank.example>` + []string{" R=x T=y", ": x", ""}[rng.IntN(3)]
	case 1:
		return reply + ` <"v"@bank.example> R=x T=y: 550 no`
	}
	return reply
}

// written is a line, and who its recipient may be said to be.
type written struct {
	line string
	who  []string
}

// writeExim writes a line as string_log_address in src/deliver.c does.
func writeExim(rng *rand.Rand, local string) written {
	domain := []string{"evil.example", "bank.example"}[rng.IntN(2)]
	top := local + "@" + domain
	shown := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `"`, ``, `\`, ``).Replace(local)
	who := []string{top}
	lower := rng.IntN(3) > 0
	if lower {
		shown = strings.ToLower(shown)
	}
	redirected := rng.IntN(4) == 0
	if redirected {
		domain = "internal.example"
	}
	address := shown + "@" + domain
	who = append(who, address, `"`+shown+`"@`+domain)
	mark := []string{"**", "==", "=>", "->", ">>"}[rng.IntN(5)]
	sent := mark != "**" && mark != "=="
	if sent && rng.IntN(6) == 0 {
		address = shown // log_as_local
	}
	var b strings.Builder
	b.WriteString(address)
	if rng.IntN(5) == 0 && redirected {
		b.WriteString(" (" + []string{"p@shop.example", top, "a@b.example, c@d.example"}[rng.IntN(3)] + ")")
	}
	if address != top {
		b.WriteString(" <" + top + ">")
	}
	if rng.IntN(5) == 0 {
		b.WriteString(" F=<" + hostileLocal(rng, hostileText(rng, 4)) + "@evil.example>")
	}
	routed := rng.IntN(5) > 0
	if routed {
		b.WriteString(" R=dnslookup T=remote_smtp")
	}
	if mark == "==" {
		b.WriteString(" defer (-44)")
	}
	if routed {
		b.WriteString(" H=mx.evil.example [203.0.113.9]")
	}
	switch {
	case sent && routed:
		b.WriteString(` C="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(hostileReply(rng, b.String())) + `"`)
	case sent:
		b.WriteString(" R=local")
	case routed:
		b.WriteString(": SMTP error from remote mail server after RCPT TO:<" + top + ">: ")
		b.WriteString(hostileReply(rng, b.String()))
	default:
		b.WriteString(": Unrouteable address")
	}
	return written{"2026-11-23 12:57:36 1xVTbv-00000r-1v " + mark + " " + b.String(), who}
}

// writePostfix writes a line as log_adhoc.c does; internal is the form of an
// address without quotes, which Postfix logs before 3.5.
func writePostfix(rng *rand.Rand, local string, internal bool) written {
	unquoted := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `"`, ``, `\`, ``).Replace(local)
	address := unquoted
	if !internal {
		address = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(unquoted) + `"`
	}
	address += []string{"@evil.example", "@bank.example"}[rng.IntN(2)]
	who := []string{address}
	var b strings.Builder
	if rng.IntN(6) == 0 {
		who = []string{"owner@shop.example"}
		b.WriteString("to=<owner@shop.example>, orig_to=<" + address + ">")
	} else {
		b.WriteString("to=<" + address + ">")
	}
	b.WriteString(", relay=mx.evil.example[203.0.113.9]:25, delay=1, delays=0/0/0/1, ")
	before := b.String()
	switch rng.IntN(3) {
	case 0:
		b.WriteString("dsn=2.0.0, status=sent (" + hostileReply(rng, before) + ")")
	case 1:
		b.WriteString("dsn=4.4.1, status=deferred (connect to mx.evil.example[203.0.113.9]:25: Connection refused)")
	default:
		b.WriteString("dsn=5.1.1, status=bounced (host mx.evil.example[203.0.113.9] said: " + hostileReply(rng, before) + " (in reply to RCPT TO command))")
	}
	return written{"Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: " + b.String(), who}
}

func writeExternalPostfix(rng *rand.Rand, local string) written {
	return writePostfix(rng, local, false)
}

func writeInternalPostfix(rng *rand.Rand, local string) written {
	w := writePostfix(rng, local, true)
	if strings.Contains(w.who[0], ">, orig_to=<") {
		return writePostfix(rng, "w", true) // is what an alias looks like, docs/sources.md says so
	}
	return w
}

// writeSendmail writes a line as logdelivery() in deliver.c does.
func writeSendmail(rng *rand.Rand, local string) written {
	address := local + []string{"@evil.example", "@bank.example"}[rng.IntN(2)]
	to := "<" + address + ">"
	switch rng.IntN(5) {
	case 0:
		to = `"Doe, <v@bank.example> Jane" ` + to
	case 1:
		to = "[M1]" + to
	case 2:
		to = address
	}
	who := []string{address}
	if rng.IntN(4) == 0 {
		to, who = to+",<w@evil.example>", append(who, "w@evil.example")
	}
	if rng.IntN(5) == 0 {
		to += ", ctladdr=" + hostileLocal(rng, hostileText(rng, 4)) + "@evil.example (1/1)"
	}
	reply := hostileReply(rng, to)
	return written{"Nov 23 12:57:36 mx sendmail[84]: 6AND4fXL000084: to=" + to + ", delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.evil.example. [203.0.113.9], " +
		[]string{"dsn=2.0.0, stat=Sent (" + reply + ")", "dsn=5.1.1, reply=" + reply + ", stat=User unknown", "dsn=4.2.0, stat=Deferred: " + reply}[rng.IntN(3)], who}
}

// writeOpenSMTPD writes a line as mta.c does. Its local parts have no quotes, but
// senders and replies may hold anything.
func writeOpenSMTPD(rng *rand.Rand, local string) written {
	reply := hostileReply(rng, "")
	if rng.IntN(2) == 0 {
		return written{`Nov 23 12:57:36 mx smtpd[55]: 770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<` + local + `@evil.example> to=<w@evil.example> rcpt=<-> source="192.0.2.9" relay="203.0.113.9 (mx.evil.example)" delay=0s result="PermFail" stat="` + reply + `"`, []string{"w@evil.example"}}
	}
	return written{"Nov 23 12:57:36 mx smtpd[55]: relay: PermFail for 6430369adcce4408: session=7818378a988ca63b, from=<x@evil.example>, to=<w@evil.example>, rcpt=<->, source=192.0.2.9, relay=203.0.113.9 (mx.evil.example), delay=0s, stat=" + reply, []string{"w@evil.example"}}
}

// hostileWriters write lines of each MTA. unclear is how many of a hundred may be read
// for nobody.
var hostileWriters = []struct {
	mta     bounce.MTA
	write   func(rng *rand.Rand, local string) written
	lines   int
	unclear int
}{
	{bounce.Postfix, writeExternalPostfix, 20_000, 20},
	{bounce.Postfix, writeInternalPostfix, 40_000, 100},
	{bounce.Exim, writeExim, 40_000, 50},
	{bounce.Sendmail, writeSendmail, 20_000, 0},
	{bounce.OpenSMTPD, writeOpenSMTPD, 20_000, 100},
}

func TestNoLineSpeaksForAnotherAddress(t *testing.T) {
	tried := make(map[bounce.MTA]bool)
	for _, w := range hostileWriters {
		tried[w.mta] = true
		t.Run(string(w.mta), func(t *testing.T) {
			if unclear := sameForAll(t, w.lines, w.write, w.mta); unclear > w.unclear {
				t.Errorf("%d %% of the lines were read for nobody, want at most %d", unclear, w.unclear)
			}
		})
	}
	for _, mta := range bounce.MTAs {
		if !tried[bounce.MTA(mta)] {
			t.Errorf("hostileWriters has no writer of %s", mta)
		}
	}
}

// sameForAll writes lines and checks whose events are read off them. It returns
// how many of a hundred lines gave none.
func sameForAll(t *testing.T, lines int, write func(*rand.Rand, string) written, mta bounce.MTA) (unclear int) {
	t.Helper()
	lines = volume.Of(lines/5, lines)
	if testing.Short() {
		lines /= 4
	}
	wrong, none := 0, 0
	for seed := range lines {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		w := write(rng, hostileLocal(rng, hostileText(rng, 8)))
		line := w.line
		if seed%3 > 0 { // a third has the header of writers
			line = underOtherHeader(rng, line)
		}
		p := newParser(t, mta)
		all := events(p, line+"\n")
		for _, ev := range all {
			if ev.Kind != bounce.EventAttempt || within(w.who, ev.Recipient) {
				continue
			}
			if wrong++; wrong <= 5 {
				t.Errorf("seed %d: a line about %q was read for %q:\n%s", seed, w.who, ev.Recipient, line)
			}
		}
		if len(all) == 0 {
			if none++; len(p.TakeUnparsed()) == 0 {
				if wrong++; wrong <= 5 {
					t.Errorf("seed %d: a delivery line was not counted:\n%s", seed, line)
				}
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d lines were read wrongly", wrong, lines)
	}
	t.Logf("%d of %d lines were read for nobody", none, lines)
	return 100 * none / lines
}

// underOtherHeader puts a line under one of the headers that name the program.
func underOtherHeader(rng *rand.Rand, line string) string {
	tag, body := "exim[9]", line
	if rest, found := strings.CutPrefix(line, "Nov 23 12:57:36 mx "); found {
		tag, body, _ = strings.Cut(rest, ": ")
	}
	return quoterHeaders[rng.IntN(len(quoterHeaders)-2)](tag, body)
}

func within(who []string, recipient string) bool {
	for _, w := range who {
		if strings.EqualFold(w, recipient) {
			return true
		}
	}
	return false
}

// journalctl -o short indents the further lines of a message. Any program may have
// written them, and a stranger their text.
func TestIndentedLinesOfAnotherMessageAreNotRead(t *testing.T) {
	const delivery = "4XabcZ1y2z: to=<v@bank.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (user unknown)"
	for _, second := range []string{
		"Nov 23 12:57:36 mx postfix/smtp[474]: " + delivery,
		"2026-11-23T12:57:36.5+00:00 mx postfix/smtp[474]: " + delivery,
		"2026-11-23 12:57:36 1xVTbv-00000r-1v ** v@bank.example: Unrouteable address",
		`{"MESSAGE":"` + delivery + `","SYSLOG_IDENTIFIER":"postfix/smtp","__REALTIME_TIMESTAMP":"1795438656123456"}`,
		"Mon 2026-11-23 12:57:36.500000 UTC [s=a;i=2;b=c;m=d;t=e;x=f]\n§    SYSLOG_IDENTIFIER=postfix/smtp\n§    MESSAGE=" + delivery + "\nNov 23 12:57:37 mx x: y",
		"{\n§\"MESSAGE\":\"" + delivery + "\",\n§\"SYSLOG_IDENTIFIER\":\"postfix/smtp\",\n§\"__REALTIME_TIMESTAMP\":\"1795438656123456\"}",
	} {
		for _, header := range []string{"Nov 23 12:57:36 a: ", "Nov 23 12:57:36 mx shop[7]: ", "2026-11-23T12:57:36+0000 mx shop[7]: "} {
			indent := strings.Repeat(" ", len(header))
			text := header + "Hello,\n" + indent + strings.ReplaceAll(second, "§", indent) + "\n"
			for _, ev := range events(newParser(t, ""), text) {
				if ev.Kind == bounce.EventAttempt {
					t.Errorf("read for %s:\n%s", ev.Recipient, text)
				}
			}
		}
	}
}

// Commands, files and complaints hold what a stranger chose, such as the sender in
// "|/bin/filter -f $sender_address".
func TestTextOfStrangersBesideTheRecipientIsNotRead(t *testing.T) {
	const exim = "2026-11-23 12:57:36 1xVTbv-00000r-1v "
	for _, line := range []string{
		exim + "=> |/bin/x -f v <v@bank.example> R=r T=address_pipe <u@evil.example> R=aliases T=address_pipe",
		exim + "=> /var/mail/x <v@bank.example> R=r T=address_file <u@evil.example> F=<n@a.example> R=r T=address_file",
		exim + "** |/bin/x <v@bank.example> R=r T=address_pipe: 550 5.1.1 user unknown <u@evil.example> R=r T=address_pipe: return message generated",
		exim + "== |/bin/x <v@bank.example> R=r T=address_pipe defer (0): x <u@evil.example> R=r T=address_pipe defer (0): y",
		exim + "** >v@bank.example <v@bank.example> R=r T=t: user unknown <u@evil.example> R=vacation T=autoreply: x",
		exim + "=> |/bin/x v@bank.example R=all T=remote <u@evil.example> R=aliases T=address_pipe",
		exim + "=> |/bin/x v@bank.example R=all T=remote H=x [192.0.2.1] <u@evil.example> R=aliases T=address_pipe",
		"Nov 23 12:57:36 mx postfix/smtp[474]: warning: to=<v@bank.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (user unknown)",
		"Nov 23 12:57:36 mx postfix/smtp[474]: fatal: to=<v@bank.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
		"Nov 23 12:57:36 mx smtpd[474]: filter: to=<v@bank.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
		`{"time":"2026-11-23T12:57:36Z","level":"info","msg":"said 1xVTbv-00000r-1v ** v@bank.example: Unrouteable address","service":"shop"}`,
		`{"time":"2026-11-23T12:57:36Z","level":"info","msg":"> mx[192.0.2.1]:25: 4XabcZ1y2z: to=<v@bank.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)"}`,
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) > 0 {
			t.Errorf("%s\n was read: %v", line, describeAll(got))
		}
	}
	for _, line := range []string{
		exim + "=> |/bin/x -f <n@a.example> <u@evil.example> R=aliases T=address_pipe",
		exim + "** |/bin/x <u@evil.example> R=r T=address_pipe: Child process of address_pipe transport returned 1 from command: /bin/x <n@a.example>",
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) != 1 || got[0].Recipient != "u@evil.example" {
			t.Errorf("%s\n got %v, want u@evil.example", line, describeAll(got))
		}
	}
}
