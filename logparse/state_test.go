package logparse

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Exim cuts a long line for syslog; what came of it so far is remembered.
func TestScrubStateDropsTheFragmentsOfALineThatQuotesAPerson(t *testing.T) {
	p, err := New(Options{Zone: time.UTC, Anchor: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"Nov 23 13:00:58 mx exim[88]: [1/2] 2026-11-23 13:00:58 1xVTfG-00000s-0K ** jane@example.com R=r T=t: SMTP error fr",
		"Nov 23 13:00:58 mx exim[89]: [1/2] 2026-11-23 13:00:58 1xVTfG-00000s-0L ** joe@example.com R=r T=t: SMTP error fr",
	} {
		p.Line(line, func(ev *bounce.Event) { t.Errorf("an event of a first fragment: %+v", ev) })
	}
	state := p.State()
	rest, changed, err := ScrubState(state, func(text string) (string, bool) { return "", strings.Contains(text, "jane@example.com") })
	if err != nil || !changed {
		t.Fatalf("ScrubState: changed %v, %v", changed, err)
	}
	left, err := New(Options{State: rest})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.pieces) != 1 || !strings.Contains(string(left.pieces["mx 89"].Body), "joe@example.com") {
		t.Errorf("pieces left: %v", left.pieces)
	}
	if !left.last.Equal(p.last) {
		t.Errorf("the last stamp is %v, want %v", left.last, p.last)
	}
	if again, changed, err := ScrubState(rest, func(text string) (string, bool) { return text, false }); changed || err != nil || !bytes.Equal(again, rest) {
		t.Errorf("ScrubState of what names nobody: changed %v, %v", changed, err)
	}
}

// A line that waits for its other parts is dropped too.
func TestScrubStateDropsABrokenLineThatQuotesAPerson(t *testing.T) {
	p, err := New(Options{Zone: time.UTC, Anchor: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	p.Line("Nov 23 13:00:58 mx postfix/smtp[4]: 4f1XyZabcd: to=<jane@example.com>,", func(ev *bounce.Event) { t.Errorf("an event of a first part: %+v", ev) })
	for name, left := range map[string]bool{"jane@example.com": false, "joe@example.com": true} {
		rest, changed, err := ScrubState(p.State(), func(text string) (string, bool) { return "", strings.Contains(text, name) })
		if err != nil || changed == left || bytes.Contains(rest, []byte(`"export"`)) != left {
			t.Errorf("%s: changed %v, %v, state %s", name, changed, err, rest)
		}
	}
}
