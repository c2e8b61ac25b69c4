package logparse_test

import (
	"strings"
	"testing"
)

// Parts of a line of Postfix may be missing.
func TestPartsOfADeliveryOfPostfix(t *testing.T) {
	const header = "Nov 23 12:57:36 mx postfix/error[4]: "
	for line, want := range map[string]string{
		"4f1XyZabcd: to=a@b.example, orig_to=i@b.example, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":      `id="4f1XyZabcd" to="a@b.example" orig="i@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=<a@b.example>, orig_to=i@b.example, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":    `id="4f1XyZabcd" to="a@b.example" orig="i@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=a@b.example, orig_to=<i@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":    `id="4f1XyZabcd" to="a@b.example" orig="i@b.example" outcome="deferred"`,
		"4f1XyZabcd:to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                          `id="4f1XyZabcd" to="a@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=<a@b.example>, relay=none, smtputf8=no, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":            `id="4f1XyZabcd" to="a@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=<a@b.example>, status=deferred (x)":                                                                         `id="4f1XyZabcd" to="a@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=<a@b.example>, orig_to=<i@b.example>, delay=1, status=deferred (x)":                                         `id="4f1XyZabcd" to="a@b.example" orig="i@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=<a@b.example>, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                                     `id="4f1XyZabcd" to="a@b.example" outcome="deferred"`,
		"to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                                     `to="a@b.example" outcome="deferred"`,
		"4f1: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                                `id="4f1" to="a@b.example" outcome="deferred"`,
		"**********: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                         `id="**********" to="a@b.example" outcome="deferred"`,
		"...: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                                `id="..." to="a@b.example" outcome="deferred"`,
		"<queue id>: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                         `id="<queue id>" to="a@b.example" outcome="deferred"`,
		"4f1\xff\x00: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                        `id="4f1??" to="a@b.example" outcome="deferred"`,
		"[redacted]: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":                         `id="[redacted]" to="a@b.example" outcome="deferred"`,
		"4f1XyZabcd4f1XyZabcd4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)":     `id="4f1XyZabcd4f1XyZabcd4f1XyZabcd" to="a@b.example" outcome="deferred"`,
		"4f1XyZabcd: to=<a@b.example>, relay=none, delay=432000, delays=0/0/0/1, dsn=4.4.1, status=expired, returned to sender":     `id="4f1XyZabcd" to="a@b.example" outcome="expired"`,
		"4f1XyZabcd: to=<a@b.example>, status=sent (250 ok)":                                                                        `id="4f1XyZabcd" to="a@b.example" outcome="sent"`,
		"4f1XyZabcd: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, status=bounced (host mx.b.example[192.0.2.1] said: 550 x)": `id="4f1XyZabcd" to="a@b.example" outcome="bounced"`,
	} {
		p := newParser(t, "")
		got := describeAll(events(p, header+line+"\n"))
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s\n got %v, want %s; not parsed: %v", line, got, want, p.TakeUnparsed())
		}
	}
	// cleanup(8) bounces what aliases and maps make impossible.
	const byCleanup = "Nov 23 12:57:36 mx postfix/cleanup[4]: 4f1: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.4.6, status=bounced (virtual alias loop)\n"
	if got := describeAll(events(newParser(t, ""), byCleanup)); len(got) != 1 || !strings.Contains(got[0], `to="a@b.example" outcome="bounced"`) {
		t.Errorf("%s\n got %v", byCleanup, got)
	}
	for _, line := range []string{
		"warning: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)",
		"4f1XyZabcd: to=<a@b.example>, status=undeliverable (x)",
		"4f1XyZabcd: to=<v@b.example, status=sent (x)@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deliverable (x)",
		"4f1XyZabcd: host mx.b.example[192.0.2.1] said: 450 to=<a@b.example>, status=bounced (x)",
	} {
		if got := events(newParser(t, ""), header+line+"\n"); len(got) > 0 {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
}

// Copies lose the space behind the queue ID, also of a line that ends a message.
func TestAnExpiryWithoutASpaceBehindTheID(t *testing.T) {
	const whole = "Nov 23 12:57:36 mx postfix/qmgr[4]: 4f1XyZabcd: from=<n@a.example>, status=expired, returned to sender\n"
	want := row(events(newParser(t, ""), whole))
	if got := row(events(newParser(t, ""), strings.Replace(whole, "abcd: ", "abcd:", 1))); got != want || got == "" {
		t.Errorf("got %s, want %s", got, want)
	}
}
