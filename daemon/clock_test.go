package daemon

import (
	"testing"
	"time"
)

// Each step sets the machine's clock and lets time pass.
func TestAClockThatJumpsAheadIsFollowedAfterADay(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	wall, passed := begin, time.Duration(0)
	c := clock{read: func() (time.Time, time.Duration) { return wall, passed }}
	if got := c.Now(); !got.Equal(begin) {
		t.Fatalf("the first time is %v, want %v", got, begin)
	}
	for _, step := range []struct {
		name      string
		set, pass time.Duration
		want      time.Duration // since the begin
	}{
		{"time passes", 0, 40 * day, 40 * day},
		{"a night's suspension", 10 * time.Hour, time.Minute, 40*day + 10*time.Hour + time.Minute},
		{"set back by as much", -10 * time.Hour, -time.Minute, 40 * day},
		{"a month ahead", 31 * day, 0, 40 * day},
		{"an hour later", 0, time.Hour, 40*day + time.Hour},
		{"further ahead", 31 * day, 22 * time.Hour, 40*day + 23*time.Hour},
		{"and back", -62 * day, time.Hour, 41 * day},
		{"ahead again", 31 * day, 0, 41 * day},
		{"for nearly a day", 0, day - time.Second, 42*day - time.Second},
		{"for a day", 0, time.Second, 73 * day},
		{"set back", -31 * day, 0, 42 * day},
	} {
		wall, passed = wall.Add(step.set+step.pass), passed+step.pass
		if got := c.Now().Sub(begin); got != step.want {
			t.Errorf("%s: %v since the begin, want %v", step.name, got, step.want)
		}
	}
}
