package cli

import (
	"testing"
	"time"
)

// A day is a day of the calendar, also across a change of the clock.
func TestUntilKeepsTheTimeOfDayAcrossAChangeOfTheClock(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, zone) // summer time; it ends on 25 October
	got, err := parseUntil("180d", now)
	if want := time.Date(2027, 1, 28, 12, 0, 0, 0, zone); err != nil || !got.Equal(want) {
		t.Errorf("parseUntil(180d) = %v, %v; want %v", got, err, want)
	}
	back, err := parseSince("180d", now)
	if want := time.Date(2026, 2, 2, 12, 0, 0, 0, zone); err != nil || !back.Equal(want) {
		t.Errorf("parseSince(180d) = %v, %v; want %v", back, err, want)
	}
}

func TestInterruptionsSayHowMuchIsStored(t *testing.T) {
	for _, c := range []struct {
		lines, read, total int64
		want               string
	}{
		{0, 0, 100, "Interrupted. Nothing is stored yet; run the same command to start again."},
		{3_100_000, 31, 105, "Interrupted. 3.1 of 10.5 million lines are stored; run the same command to continue."},
		{5_000, 1, 1000, "Interrupted. 5,000 of 5.0 million lines are stored; run the same command to continue."},
		{5_000, 0, 0, "Interrupted. 5,000 lines are stored; run the same command to continue."},
	} {
		if got := interrupted(c.lines, c.read, c.total); got != c.want {
			t.Errorf("interrupted(%d, %d, %d) = %q, want %q", c.lines, c.read, c.total, got, c.want)
		}
	}
}
