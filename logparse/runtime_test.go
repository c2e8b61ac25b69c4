package logparse_test

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// CRI-O and Podman cut a line where a buffer ended. The parts of the two streams may
// alternate, and a batch may end between them.
func TestPartsOfAContainersLineArePutTogether(t *testing.T) {
	line := "Nov 23 12:57:36 mx postfix/smtp[474]: " + messageLines[2].body
	want := events(newParser(t, ""), "2026-11-23T12:57:36.1Z stdout F "+line+"\n")
	other := "2026-11-23T12:57:36.3Z stderr F Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZabce: removed\n"
	for at := 1; at < len(line); at += 7 {
		for _, log := range []string{
			"2026-11-23T12:57:36.1Z stdout P " + line[:at] + "\n" + other + "2026-11-23T12:57:36.2Z stdout F " + line[at:] + "\n",
			"2026-11-23T12:57:36.1Z stdout P " + line[:1] + "\n2026-11-23T12:57:36.2Z stdout P " + line[1:at] + "\n" + other + "2026-11-23T12:57:36.2Z stdout F " + line[at:] + "\n",
		} {
			p := newParser(t, "")
			var got []bounce.Event
			for part := range strings.Lines(log) {
				for _, ev := range events(p, part) {
					if ev.Kind == bounce.EventAttempt {
						got = append(got, ev)
					}
				}
				p = restored(t, p.State())
			}
			if len(got) != 1 || got[0] != want[0] {
				t.Fatalf("cut at %d:\n got %v\nwant %v", at, describeAll(got), describeAll(want))
			}
		}
	}
}

func TestPartsWithoutAnEndAreCounted(t *testing.T) {
	p := newParser(t, "")
	events(p, "2026-11-23T12:57:36.1Z stdout P Nov 23 12:57:36 mx postfix/smtp[474]: "+messageLines[2].body[:150]+"\n")
	p.End(true, func(*bounce.Event) {})
	if n := p.Counts().Unparsed; n != 1 {
		t.Errorf("%d lines counted, want 1", n)
	}
}
