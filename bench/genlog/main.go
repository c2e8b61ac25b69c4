// Genlog writes mail logs of any size for benchmarks, like those of a busy Postfix or
// Exim: 85 % of the messages are delivered at the first attempt, 10 % are deferred and
// delivered later, 5 % bounce. Queue IDs are interleaved, with lines of other services
// between them. The same seed gives the same log.
//
//	go run ./bench/genlog -mta postfix -size 1GB >mail.log
//
// Mail fails to -recipients addresses, each as often as any other. Twenty times as many
// addresses get mail, some often and most rarely: a sixteenth of them gets half of it.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.mta, "mta", "postfix", "postfix or exim")
	flag.StringVar(&o.stamp, "stamp", "traditional", "of Postfix: traditional or rfc3339")
	flag.StringVar(&o.size, "size", "100MB", "how much to write, such as 64KB, 100MB, 1GB")
	flag.Uint64Var(&o.seed, "seed", 1, "the same seed gives the same log")
	flag.IntVar(&o.recipients, "recipients", 25_000, "addresses that mail fails to; twenty times as many get mail")
	flag.IntVar(&o.hosts, "hosts", 1, "hosts that log")
	flag.IntVar(&o.rate, "rate", 1000, "lines a second, on average")
	flag.StringVar(&o.start, "start", "2026-11-01T00:00:00Z", "time of the first line")
	flag.Parse()
	if err := generate(os.Stdout, &o); err != nil {
		fmt.Fprintln(os.Stderr, "genlog:", err)
		os.Exit(1)
	}
}

type options struct {
	mta, stamp, size, start string
	seed                    uint64
	recipients, hosts, rate int
}

func generate(to io.Writer, o *options) error {
	limit, err := bytesIn(o.size)
	if err != nil {
		return err
	}
	start, err := time.Parse(time.RFC3339, o.start)
	if err != nil {
		return err
	}
	if o.recipients < 1 || o.hosts < 1 || o.rate < 1 {
		return errors.New("-recipients, -hosts and -rate must be at least 1")
	}
	g := &generator{rng: rand.New(rand.NewPCG(o.seed, 0)), now: start.UTC(), recipients: o.recipients, hosts: o.hosts}
	step := 2 * int(time.Second) / o.rate // twice the mean
	var message func() []line
	switch o.mta + " " + o.stamp {
	case "postfix traditional":
		g.layout, message = "Jan _2 15:04:05", g.postfix
	case "postfix rfc3339":
		g.layout, message = "2006-01-02T15:04:05.000000-07:00", g.postfix
	case "exim traditional", "exim rfc3339":
		g.layout, message = "2006-01-02 15:04:05", g.exim
	default:
		return fmt.Errorf("no log of -mta %s with -stamp %s", o.mta, o.stamp)
	}
	counted := &counter{w: bufio.NewWriterSize(to, 1<<20)}
	// The remaining lines of messages in progress, and of those that wait for the next
	// attempt, until that many messages have been started.
	type waiting struct {
		rest  []line
		until int
	}
	var active [][]line
	var deferred []waiting
	for counted.n < limit {
		if len(deferred) > 0 && deferred[0].until <= g.n {
			active = append(active, deferred[0].rest)
			deferred = deferred[1:]
		}
		for len(active) < 60 {
			active = append(active, message())
		}
		i := g.rng.IntN(len(active))
		g.now = g.now.Add(time.Duration(g.rng.IntN(step)))
		fmt.Fprintf(counted, "%s %s\n", g.now.Format(g.layout), active[i][0].text)
		active[i] = active[i][1:]
		done := len(active[i]) == 0
		if !done && active[i][0].later {
			deferred = append(deferred, waiting{active[i], g.n + 30_000})
			done = true
		}
		if done {
			active[i] = active[len(active)-1]
			active = active[:len(active)-1]
		}
	}
	return counted.w.Flush()
}

// bytesIn parses a size such as 100MB.
func bytesIn(size string) (int64, error) {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		if number, ok := strings.CutSuffix(size, unit.name); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			return n * unit.bytes, err
		}
	}
	return 0, errors.New("size " + size + " has no unit KB, MB or GB")
}

type counter struct {
	w *bufio.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.w.Write(p)
}

// line is text that is written of a message at once. later delays it.
type line struct {
	text  string
	later bool
}

type generator struct {
	rng               *rand.Rand
	now               time.Time
	layout            string
	n                 int // messages so far
	recipients, hosts int
}

var (
	deferrals = []string{
		"450 4.2.0 <%[1]s>: Recipient address rejected: Greylisted, try again in 300 seconds",
		"421 4.7.0 [192.0.2.25] Too many messages from your address, slow down (id %[2]x)",
		"452 4.2.2 <%[1]s> The mailbox is over quota at the moment - gsmtp %[2]x.55",
		"451 4.3.0 Temporary server trouble, ticket %[2]d",
		"451 4.7.1 Service not available for %[1]s, come back later",
	}
	// The first are those of addresses that do not exist, see missing.
	bounces = []string{
		"550 No such user here %[1]s",
		"550 5.1.1 <%[1]s>: Recipient address rejected: User unknown in virtual mailbox table",
		"550-5.1.1 The account %[1]s is not here. 550-5.1.1 Look for typing errors in the address. 550 5.1.1 gsmtp %[2]x.123",
		"550 5.7.1 Service unavailable; client [192.0.2.25] is on a list at dnsbl.example, see https://dnsbl.example/q/%[2]d",
		"554 5.7.1 <%[1]s>: the message looks like spam (score %[2]d)",
		"552 5.2.2 mailbox of %[1]s is full",
		"550 5.7.26 This mail is unauthenticated, which is a risk: DMARC policy of shop.example, id %[2]x",
	}
	noise = []string{
		"postfix/anvil[33]: statistics: max connection rate 2/60s for (smtp:198.51.100.7) at Nov  1 00:00:00",
		"dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=198.51.100.9, lip=192.0.2.25, mpid=4711, TLS, session=<x>",
		"postfix/smtpd[77]: warning: hostname unknown.example does not resolve to address 203.0.113.5",
		"opendkim[99]: DKIM-Signature field added (s=mail, d=shop.example)",
		"postfix/smtpd[77]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 <a@b.example>: Relay access denied; from=<x@y.example> to=<a@b.example> proto=ESMTP helo=<z>",
	}
)

// failingShare is how many addresses there are for each that mail may fail to.
const failingShare = 20

// missing is the number of replies, the first of bounces, that say that the address does
// not exist. An address that is refused so is refused always: it accepts no mail.
const missing = 3

func isMissing(n int) bool { return n%failingShare == 0 && n/failingShare%len(bounces) < missing }

// delivered returns an address that accepts mail, one that was deferred before or any.
func (g *generator) delivered(deferred bool) string {
	for {
		n := failingShare * g.rng.IntN(g.recipients)
		if !deferred {
			u := g.rng.Float64()
			n = int(u * u * u * u * failingShare * float64(g.recipients))
		}
		if !isMissing(n) {
			return g.address(n)
		}
	}
}

// bounced returns an address that is refused, and the reply.
func (g *generator) bounced() (to, reply string) {
	n := failingShare * g.rng.IntN(g.recipients)
	to = g.address(n)
	return to, g.fill(bounces[n/failingShare%len(bounces)], to)
}

func (g *generator) address(n int) string {
	domains := max(977, g.recipients/500)
	return fmt.Sprintf("user%d@d%d.example", n, n/failingShare%domains)
}

func (g *generator) fill(reply, to string) string {
	return fmt.Sprintf(reply, to, g.rng.IntN(1<<30))
}

func (g *generator) deferral(to string) string {
	return g.fill(deferrals[g.rng.IntN(len(deferrals))], to)
}

// postfix returns the lines of a message as Postfix logs them.
func (g *generator) postfix() []line {
	g.n++
	id := fmt.Sprintf("%X%05X", 0x40000+g.n%0xfff, g.rng.IntN(1<<20))
	lines := []line{
		{text: fmt.Sprintf("postfix/smtpd[%d]: connect from app%d.shop.example[198.51.100.%d]", 1000+g.n%50, g.n%9, g.n%250)},
		{text: fmt.Sprintf("postfix/smtpd[%d]: %s: client=app%d.shop.example[198.51.100.%d], sasl_method=PLAIN, sasl_username=shop", 1000+g.n%50, id, g.n%9, g.n%250)},
		{text: fmt.Sprintf("postfix/cleanup[%d]: %s: message-id=<%d.%s@shop.example>", 2000+g.n%20, id, g.n, id)},
		{text: fmt.Sprintf("postfix/qmgr[912]: %s: from=<news-%d@shop.example>, size=%d, nrcpt=1 (queue active)", id, g.n%100, 2000+g.rng.IntN(90000))},
		{text: fmt.Sprintf("postfix/smtpd[%d]: disconnect from app%d.shop.example[198.51.100.%d] ehlo=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=6", 1000+g.n%50, g.n%9, g.n%250)},
	}
	attempt := func(to, dsn, status string, later bool) {
		relay := fmt.Sprintf("mx%d.%s[203.0.113.%d]", g.rng.IntN(3), to[strings.LastIndexByte(to, '@')+1:], g.rng.IntN(250))
		lines = append(lines, line{fmt.Sprintf("postfix/smtp[%d]: Trusted TLS connection established to %s:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256",
			3000+g.n%90, relay), later})
		later = false
		if status != "sent" {
			status = strings.Replace(status, "(", "(host "+relay+" said: ", 1)
		} else {
			status = fmt.Sprintf("sent (250 2.0.0 Ok: queued as %X)", g.rng.IntN(1<<40))
		}
		lines = append(lines, line{fmt.Sprintf("postfix/smtp[%d]: %s: to=<%s>, relay=%s:25, delay=%d.%d, delays=0.01/0/0.%d/0.%d, dsn=%s, status=%s",
			3000+g.n%90, id, to, relay, g.rng.IntN(9), g.rng.IntN(9), g.rng.IntN(99), g.rng.IntN(99), dsn, status), later})
	}
	const said = " (in reply to RCPT TO command))"
	switch p := g.rng.IntN(100); {
	case p < 85:
		attempt(g.delivered(false), "2.0.0", "sent", false)
	case p < 95:
		to := g.delivered(true)
		attempt(to, "4.2.0", "deferred ("+g.deferral(to)+said, false)
		lines = append(lines, line{fmt.Sprintf("postfix/qmgr[912]: %s: from=<news-%d@shop.example>, size=2000, nrcpt=1 (queue active)", id, g.n%100), true})
		attempt(to, "2.0.0", "sent", false)
	default:
		to, reply := g.bounced()
		attempt(to, "5.1.1", "bounced ("+reply+said, false)
	}
	lines = append(lines, line{text: fmt.Sprintf("postfix/qmgr[912]: %s: removed", id)})
	if g.rng.IntN(10) == 0 {
		lines = append(lines, line{text: noise[g.rng.IntN(len(noise))]})
	}
	host := fmt.Sprintf("mx%d ", g.n%g.hosts+1) // Exim's own log has none
	for i := range lines {
		lines[i].text = host + lines[i].text
	}
	return lines
}

// exim returns the lines of a message as Exim logs them.
func (g *generator) exim() []line {
	g.n++
	id := fmt.Sprintf("1v%04x-%011d-%04x", g.n%0xffff, g.n, g.rng.IntN(1<<16))
	lines := []line{{text: fmt.Sprintf("%s <= news-%d@shop.example H=app%d.shop.example [198.51.100.%d] P=esmtpsa X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no A=plain:shop S=%d id=%d.%s@shop.example",
		id, g.n%100, g.n%9, g.n%250, 2000+g.rng.IntN(90000), g.n, id)}}
	attempt := func(marker, to, reply string, later bool) {
		host := fmt.Sprintf("R=dnslookup T=remote_smtp H=mx%d.%s [203.0.113.%d]", g.rng.IntN(3), to[strings.LastIndexByte(to, '@')+1:], g.rng.IntN(250))
		switch marker {
		case "=>":
			lines = append(lines, line{fmt.Sprintf("%s => %s %s X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=yes C=\"250 2.0.0 Ok: queued as %X\"", id, to, host, g.rng.IntN(1<<40)), later})
		case "==":
			lines = append(lines, line{fmt.Sprintf("%s == %s %s: SMTP error from remote mail server after RCPT TO:<%s>: %s", id, to, strings.Replace(host, " H=", " defer (-44) H=", 1), to, reply), later})
		default:
			lines = append(lines, line{fmt.Sprintf("%s ** %s %s: SMTP error from remote mail server after RCPT TO:<%s>: %s", id, to, host, to, reply), later})
		}
	}
	switch p := g.rng.IntN(100); {
	case p < 85:
		attempt("=>", g.delivered(false), "", false)
	case p < 95:
		to := g.delivered(true)
		attempt("==", to, g.deferral(to), false)
		attempt("=>", to, "", true)
	default:
		to, reply := g.bounced()
		attempt("**", to, reply, false)
	}
	lines = append(lines, line{text: id + " Completed"})
	if g.rng.IntN(5) == 0 {
		lines = append(lines, line{text: "no host name found for IP address 203.0.113.77"})
	}
	return lines
}
