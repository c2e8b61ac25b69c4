package bounce

import (
	"testing"
	"time"
)

// Stamps sort as text, also where a log line has the last second that its stamp can
// have, and something follows from it: a zone, or an hour later.
func TestStampsOfAllTimesSortAsText(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 27, 10, 0, 0, 123e6, time.UTC), "2026-11-27T10:00:00.123Z"},
		{time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01T00:00:00.000Z"},
		{time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 14*3600)), "0000-01-01T00:00:00.000Z"},
		{time.Date(-4000, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01T00:00:00.000Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).Add(time.Hour), "9999-12-31T23:59:59.999Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -12*3600)), "9999-12-31T23:59:59.999Z"},
		{time.Date(200000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31T23:59:59.999Z"},
	} {
		got := Stamp(c.at)
		if got != c.want {
			t.Errorf("Stamp(%v) = %q, want %q", c.at, got, c.want)
		}
		if again := Stamp(ParseStamp(got)); again != got {
			t.Errorf("Stamp(ParseStamp(%q)) = %q", got, again)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	at := time.Date(2026, 11, 27, 10, 0, 0, 123e6, time.UTC)
	var buf [len(StampFormat)]byte
	for b.Loop() {
		AppendStamp(buf[:0], at)
	}
}
