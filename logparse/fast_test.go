package logparse

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// agree compares the fast reading of a body with the grammar. What the fast
// reading takes, the grammar must take too, with the same result.
func agree(t *testing.T, body string) (fast bool) {
	t.Helper()
	colon := strings.Index(body[:min(len(body), 26)], ": ")
	if colon < 5 {
		return false
	}
	h := header{tag: "postfix/smtp", body: body}
	var quick, slow bounce.Event
	slow.MTA = bounce.Postfix
	if !fastPostfix(&h, &quick) {
		return false
	}
	if got := parsePostfixByGrammar(&h, colon, &slow); got != resultRead || quick != slow {
		t.Errorf("%s\nfast:    %+v\ngrammar: %+v (%d)", body, quick, slow, got)
	}
	return true
}

// agreeSendmail does the same for the fields of a body of Sendmail.
func agreeSendmail(t *testing.T, body string) (fast bool) {
	t.Helper()
	for at := range len(body) {
		fields := body[at:]
		if !strings.HasPrefix(fields, ", ") {
			continue
		}
		quick, ok := fastSendmailFields(fields)
		if !ok {
			continue
		}
		fast = true
		if slow, ok := readSendmailFields(fields); !ok || quick != slow {
			t.Errorf("%s\nfast:    %+v\ngrammar: %+v (%t)", fields, quick, slow, ok)
		}
	}
	return fast
}

// agreeExim does the same for a body of Exim.
func agreeExim(t *testing.T, body string) (fast bool) {
	t.Helper()
	id := 16
	if len(body) <= id || !eximMarked(body[id:]) {
		if id = 23; len(body) <= id || !eximMarked(body[id:]) {
			return false
		}
	}
	var quick, slow bounce.Event
	quick.MTA, slow.MTA = bounce.Exim, bounce.Exim
	if !fastExim(body, id, &quick) {
		return false
	}
	if got := parseEximByGrammar(body, &slow); got != resultRead || quick != slow {
		t.Errorf("%s\nfast:    %+v\ngrammar: %+v (%d)", body, quick, slow, got)
	}
	return true
}

func TestFastReadingAgreesWithTheGrammar(t *testing.T) {
	logs, err := filepath.Glob("../testdata/logs/[pes]*/*/ma*.gz")
	if err != nil || len(logs) == 0 {
		t.Fatalf("%q, %v", logs, err)
	}
	fast, failed, taken := 0, 0, 0
	for _, path := range logs {
		for line := range strings.Lines(unzip(t, path)) {
			var h header
			if !cutHeader(strings.TrimSuffix(line, "\n"), &h) {
				continue
			}
			if h.tag == "postfix/smtpd" {
				taken++
				if got := parsePostfix(&h, new(bounce.Event)); got != resultOther {
					t.Errorf("a line of smtpd is read as a delivery (%d): %s", got, line)
				}
			}
			if claimsPostfix(h.tag) && agree(t, h.body) || (h.stamp.exim || claimsExim(h.tag)) && agreeExim(t, h.body) || claimsSendmail(h.tag) && agreeSendmail(t, h.body) {
				fast++
				for _, mark := range []string{", status=bounced (host ", ", status=deferred (host ", " ** ", " == ", ", dsn=5"} {
					if strings.Contains(h.body, mark) {
						failed++
						break
					}
				}
			}
		}
	}
	if fast < 4500 || failed < 600 {
		t.Errorf("%d lines had a fast reading, %d of them failures; want thousands and hundreds", fast, failed)
	}
	if taken < 500 {
		t.Errorf("%d lines were turned away by their tag, want hundreds", taken)
	}
	t.Logf("%d lines with a fast reading, %d of them failures; %d turned away by their tag", fast, failed, taken)
}

func FuzzFastReading(f *testing.F) {
	for _, body := range []string{
		"4XabcZ1y2z: to=<a@b.example>, orig_to=<info>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
		"4XabcZ1y2z: from=<news@a.example>, size=447, nrcpt=1 (queue active)",
		"4XabcZ1y2z: message-id=<1@a.example>", "4XabcZ1y2z: removed",
		"1xVTbv-00000r-1v <= news@a.example H=mx.a.example [192.0.2.9] P=esmtp S=494 id=1@a.example",
		"1xVTbv-00000r-1v => a@b.example <c@d.example> R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1] C=\"250 Ok\"",
		"1xVTbv-00000r-1v Completed",
		"4XabcZ1y2z: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550-5.1.1 x 550 5.1.1 y (in reply to RCPT TO command))",
		"1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 No such user",
		"1xVTbv-00000r-1v == a@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after end of data: 450-4.2.1 a\\n450 b",
		"6AND4fXN000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 No, stat=User unknown",
		"6AND4fXN000084: to=joe, delay=00:00:01, mailer=local, pri=30242, ntries=2, relay=local, dsn=2.0.0, reply=a, stat=b, ntries=3, stat=Sent",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.IndexByte(body, '\n') < 0 {
			agree(t, body)
			agreeExim(t, body)
			agreeSendmail(t, body)
		}
	})
}

func TestPrintableTextIsToldFromOther(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := []byte("Recipient  ~unknown")[:length]
				text[at] = byte(c)
				if got, want := isPrintable(string(text)), 0x20 <= c && c < 0x7f; got != want {
					t.Errorf("isPrintable(%q) = %v", text, got)
				}
			}
		}
	}
}

func TestPlainAddressesAreThoseThatArePrintedTheSame(t *testing.T) {
	for text, want := range map[string]bool{
		"192.0.2.1": true, "0.0.0.0": true, "255.255.255.255": true,
		"192.0.2": false, "192.0.2.1.5": false, "192.0.2.256": false, "192.0.02.1": false, "192.0.2.": false,
		"": false, ".1.2.3": false, "1..2.3": false, "1.2.3.4 ": false, "1234.1.1.1": false, "::1": false, "a.b.c.d": false,
	} {
		a, err := netip.ParseAddr(text)
		if got := isIPv4(text); got != want || got && (err != nil || a.String() != text) {
			t.Errorf("isIPv4(%q) = %v, want %v; netip: %v, %v", text, got, want, a, err)
		}
	}
}

// TestHeadersOfSeveralHosts mixes lines of hosts whose clocks, zones and names differ,
// as a central syslog server writes them.
func TestHeadersOfSeveralHosts(t *testing.T) {
	var lines []string
	for _, second := range []string{"12:57:36", "12:57:37"} {
		for n := range 12 {
			for _, form := range []string{
				"Nov 23 %s mx%d postfix/qmgr[4]: A: removed",
				"2026-11-23T%s.000001+00:00 mx%d postfix/qmgr[4]: A: removed",
				"2026-11-23T%s+02:00 mx%d postfix/qmgr[4]: A: removed",
				"2026-11-23 %s 1xVTbv-00000r-%dv Completed",
			} {
				lines = append(lines, fmt.Sprintf(form, second, n))
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var c prefixCache
	var h header
	hits := 0
	for range 20_000 {
		// Some hosts log more than others.
		line := lines[rng.IntN(1+rng.IntN(len(lines)))]
		var want header
		if !cutHeader(line, &want) {
			t.Fatalf("%q is not read", line)
		}
		if rest, known := c.cut(line, &h); known {
			hits++
			if !c.cutRest(rest, &h) || !reflect.DeepEqual(h, want) {
				t.Fatalf("%q:\n got %+v\nwant %+v", line, h, want)
			}
		} else {
			h = want
			c.learn(line, &h)
		}
	}
	if hits < 2000 || hits > 18_000 {
		t.Errorf("%d of 20,000 lines began as one before", hits)
	}
}

func TestLongNamesOfHostsAreNotKept(t *testing.T) {
	var c prefixCache
	for _, length := range []int{maxName, maxName + 1} {
		var h header
		line := "Nov 23 12:57:36 " + strings.Repeat("a", length) + " postfix/qmgr[4]: 4XabcZ1y2z: removed"
		if !cutHeader(line, &h) {
			t.Fatalf("%q is not read", line)
		}
		c.learn(line, &h)
	}
	if n := len(c.hosts[traditional]); n != 1 {
		t.Errorf("%d hosts are kept, want 1", n)
	}
}

func TestKnownHeadersAreReadAsNewOnes(t *testing.T) {
	for _, lines := range [][]string{
		{"Nov 23 12:57:36 mx1 postfix/qmgr[4]: removed", "Nov 23 12:57:36 mx1 dovecot: removed", "Nov 23 12:57:36 mx1 postfix/smtp[x: a", "Nov 23 12:57:36 mx10 exim[5]: b", "Nov 23 12:57:36 mx1 no tag", "Nov 23 12:57:36 mx1 "},
		{"2026-11-23T12:57:36.123456+01:00 mx1 postfix/qmgr[4]: a", "2026-11-23T12:57:36.99+01:00 mx1 sendmail[]: b", "2026-11-23T12:57:36+01:00 mx1 x: c", "2026-11-23T12:57:36.1Z mx1 x: d", "2026-11-23T12:57:36."},
		{"2026-11-23 12:57:36 1xVTbv-00000r-1v Completed", "2026-11-23 12:57:36 +0100 1xVTbv-00000r-1v Completed", "2026-11-23 12:57:36 [77] 1xVTbv-00000r-1v Completed", "2026-11-23 12:57:36 1xVTbv-00000r-1w Completed", "2026-11-23 12:57:36.123 1xVTbv-00000r-1v Completed", "2026-11-23 12:57:36 "},
	} {
		for _, first := range lines {
			for _, line := range lines {
				var l prefixCache
				var known, again header
				if !cutHeader(first, &known) {
					continue
				}
				l.learn(first, &known)
				rest, ok := l.cut(line, &known)
				if !ok {
					continue
				}
				whole := l.cutRest(rest, &known)
				if want := cutHeader(line, &again); whole != want || whole && !reflect.DeepEqual(known, again) {
					t.Errorf("%q behind %q: %v\n got %+v\nwant %+v", line, first, whole, known, again)
				}
			}
		}
	}
}
