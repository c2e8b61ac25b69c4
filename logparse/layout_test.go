package logparse

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// TestLinesAreReadByTheLayoutOfTheLineBefore checks that the lines of containers take the
// fast way. FuzzHeaders checks that it gives what the slow one does.
func TestLinesAreReadByTheLayoutOfTheLineBefore(t *testing.T) {
	const delivery = "4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)"
	for _, line := range []string{
		"2026-11-23T12:57:36.376231+00:00 INFO    postfix/smtp[1678]: " + delivery,
		"mail-1  | 2026-11-23T12:57:36.376231+00:00 INFO    postfix/smtp[1678]: " + delivery,
		"mail-1  | Nov 23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		"mail-1  | 2026-11-23T12:57:36.376231123Z Nov 23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		"2026-11-23T12:57:36.376231123Z Nov 23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		"2026-11-23T13:57:36+01:00 Nov 23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		`{"log":"2026-11-23T12:57:36.376231+00:00 INFO    postfix/smtp[1678]: ` + delivery + `\n","stream":"stdout","time":"2026-11-23T12:57:36.4Z"}`,
		"2026-11-23T12:57:36.4Z stdout F 2026-11-23T12:57:36.376231+00:00 INFO    postfix/smtp[1678]: " + delivery,
		"Nov 23 12:57:36 node1 0a1b2c3d4e5f[822]: Nov 23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		"2026-11-23T12:57:36.4+00:00 node1 mail[822]: Nov 23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		"Nov 23 12:57:36 2026 mx postfix/smtp[1678]: " + delivery,
		"Nov 23 12:57:36 mx mail.info postfix/smtp[1678]: " + delivery,
		"2026-11-23 12:57:36 mx postfix/smtp[1678]: " + delivery,
		"exim-1  | 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=r T=t: Unrouteable address",
	} {
		p, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		var first, second bounce.Event
		p.Line(line, func(ev *bounce.Event) { first = *ev })
		next := strings.NewReplacer("T12:57:36", "T12:57:37", "T13:57:36", "T13:57:37", " 12:57:36", " 12:57:37", "376", "377", "[1678]", "[1679]").Replace(line)
		if !p.readByLayout(unescaped(next), next, func(ev *bounce.Event) { second = *ev }) {
			t.Errorf("%s\nwas not read by the layout of the line before", next)
			continue
		}
		if second.ID == first.ID || !second.At.After(first.At) || second.Host != first.Host || second.Recipient != first.Recipient || second.Reply != first.Reply || second.Recipient == "" {
			t.Errorf("%s\n got %+v\nlike %+v", next, second, first)
		}
	}
}
