package when_test

import (
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/when"
)

func zone(t *testing.T) *time.Location {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return berlin
}

func TestPast(t *testing.T) {
	berlin := zone(t)
	now := time.Date(2026, 11, 26, 15, 30, 0, 0, berlin) // a Thursday
	for s, want := range map[string]time.Time{
		"24h":                       now.Add(-24 * time.Hour),
		"7d":                        time.Date(2026, 11, 19, 15, 30, 0, 0, berlin),
		"2w":                        time.Date(2026, 11, 12, 15, 30, 0, 0, berlin),
		"today":                     time.Date(2026, 11, 26, 0, 0, 0, 0, berlin),
		"yesterday":                 time.Date(2026, 11, 25, 0, 0, 0, 0, berlin),
		"monday":                    time.Date(2026, 11, 23, 0, 0, 0, 0, berlin),
		"Thu":                       time.Date(2026, 11, 19, 0, 0, 0, 0, berlin), // not today
		"sunday":                    time.Date(2026, 11, 22, 0, 0, 0, 0, berlin),
		"2026-11-01":                time.Date(2026, 11, 1, 0, 0, 0, 0, berlin),
		"2026-11-01 10:00":          time.Date(2026, 11, 1, 10, 0, 0, 0, berlin),
		"2026-11-01T10:00":          time.Date(2026, 11, 1, 10, 0, 0, 0, berlin),
		"2026-11-01 10:00:05":       time.Date(2026, 11, 1, 10, 0, 5, 0, berlin),
		"2026-11-01T10:00:00Z":      time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC),
		"2026-11-01T10:00:00-05:00": time.Date(2026, 11, 1, 15, 0, 0, 0, time.UTC),
		"10:00":                     time.Date(2026, 11, 26, 10, 0, 0, 0, berlin),
		"15:30":                     now,
		"23:59":                     time.Date(2026, 11, 25, 23, 59, 0, 0, berlin), // not today
	} {
		if got, err := when.Past(s, now); err != nil || !got.Equal(want) {
			t.Errorf("Past(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "soon", "-3d", "3", "d", "w", "2026-13-01", "7days", "99999999999d", "-1h", "14286w"} {
		if got, err := when.Past(s, now); err == nil {
			t.Errorf("Past(%q) = %v, want an error", s, got)
		}
	}
}

// The end of a span may be later than now: --until 23:59 is today.
func TestEndMayBeInTheFuture(t *testing.T) {
	berlin := zone(t)
	now := time.Date(2026, 11, 26, 15, 30, 0, 0, berlin)
	for s, want := range map[string]time.Time{
		"23:59":      time.Date(2026, 11, 26, 23, 59, 0, 0, berlin),
		"2026-11-28": time.Date(2026, 11, 28, 0, 0, 0, 0, berlin),
		"24h":        now.Add(-24 * time.Hour),
	} {
		if got, err := when.End(s, now); err != nil || !got.Equal(want) {
			t.Errorf("End(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
}

// A day is a day of the calendar, also across a change of the clock.
func TestDaysKeepTheTimeOfDayAcrossAChangeOfTheClock(t *testing.T) {
	berlin := zone(t)
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, berlin) // summer time; it ends on 25 October
	got, err := when.Future("180d", now)
	if want := time.Date(2027, 1, 28, 12, 0, 0, 0, berlin); err != nil || !got.Equal(want) {
		t.Errorf("Future(180d) = %v, %v; want %v", got, err, want)
	}
	back, err := when.Past("180d", now)
	if want := time.Date(2026, 2, 2, 12, 0, 0, 0, berlin); err != nil || !back.Equal(want) {
		t.Errorf("Past(180d) = %v, %v; want %v", back, err, want)
	}
}

func TestFutureHasToCome(t *testing.T) {
	now := time.Date(2026, 11, 26, 15, 30, 0, 0, time.UTC)
	for _, s := range []string{"2026-11-26", "0d", "0h", "-1h", "10:00", "soon"} {
		if got, err := when.Future(s, now); err == nil {
			t.Errorf("Future(%q) = %v, want an error", s, got)
		}
	}
}
