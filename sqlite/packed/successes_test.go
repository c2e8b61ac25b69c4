package packed

import (
	"testing"
	"time"
)

func TestOldSuccessBuckets(t *testing.T) {
	date := func(year, month, day int) time.Time {
		return time.Date(year, time.Month(month), day, 12, 0, 0, 0, time.UTC)
	}
	isOld := func(all []BucketRange, bucket int64) bool {
		for _, r := range all {
			if r.First <= bucket && bucket < r.End {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		before, now, at time.Time
		withYear, old   bool
	}{
		{date(2026, 5, 1), date(2026, 11, 1), date(2026, 4, 20), true, true},
		{date(2026, 5, 1), date(2026, 11, 1), date(2026, 4, 30), true, false}, // of another time zone
		{date(2026, 5, 1), date(2026, 11, 1), date(2026, 5, 2), true, false},
		{date(2026, 5, 1), date(2026, 11, 1), date(2026, 4, 20), false, true},
		{date(2026, 5, 1), date(2026, 11, 1), date(2026, 7, 1), false, false},
		{date(2026, 5, 1), date(2026, 11, 1), date(2026, 11, 2), false, false}, // ahead of our clock
		{date(2026, 5, 1), date(2026, 11, 1), date(2025, 12, 24), false, true},
		{date(2025, 11, 1), date(2026, 2, 1), date(2025, 12, 24), false, false}, // over the end of a year
		{date(2025, 11, 1), date(2026, 2, 1), date(2025, 6, 1), false, true},
		{date(2025, 10, 1), date(2026, 11, 1), date(2025, 6, 1), false, false}, // more than a year
		{date(2025, 10, 1), date(2026, 11, 1), date(2025, 6, 1), true, true},
	} {
		bucket := c.at.Unix() >> 3
		if !c.withYear {
			bucket = seasonBucket(c.at)
		}
		if got := isOld(OldSuccessBuckets(c.before, c.now), bucket); got != c.old {
			t.Errorf("before %s, on %s: a success on %s (with a year: %v) is old: %v, want %v", c.before, c.now, c.at, c.withYear, got, c.old)
		}
	}
}
