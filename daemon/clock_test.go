package daemon

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Each step sets the machine's clock and lets time pass.
func TestAClockThatJumpsAheadIsFollowedLater(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	wall, passed := begin, time.Hour
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
		{"a small jump", time.Hour, time.Minute, 40*day + time.Hour + time.Minute},
		{"set back by as much", -time.Hour, -time.Minute, 40 * day},
		{"hours ahead", 10 * time.Hour, 0, 40 * day},
		{"for nearly as long", 0, 10*time.Hour - time.Second, 40*day + 10*time.Hour - time.Second},
		{"for as long", 0, time.Second, 40*day + 20*time.Hour},
		{"set back by as much", -10 * time.Hour, -10 * time.Hour, 40 * day},
		{"a month ahead", 31 * day, 0, 40 * day},
		{"an hour later", 0, time.Hour, 40*day + time.Hour},
		{"further ahead", 31 * day, 22 * time.Hour, 40*day + 23*time.Hour},
		{"and back", -62 * day, time.Hour, 41 * day},
		{"a day ahead", day, 0, 41 * day},
		{"and back", -day, 0, 41 * day},
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

func TestTheClockOfAMachineThatStartsIsFollowed(t *testing.T) {
	const day = 24 * time.Hour
	begin := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // without a battery
	wall, passed := begin, settledAfter/3
	c := clock{read: func() (time.Time, time.Duration) { return wall, passed }}
	if got := c.settles(); got != settledAfter-settledAfter/3 {
		t.Errorf("soon after the start, the clock settles in %v, want %v", got, settledAfter-settledAfter/3)
	}
	c.Now()
	wall, passed = begin.Add(2000*day), settledAfter/2
	if got, jump := c.now(); !got.Equal(wall) || jump != 0 {
		t.Errorf("after the time server has answered, it is %v, with a jump of %v, want %v", got, jump, wall)
	}
	passed = time.Hour
	if got := c.settles(); got != 0 {
		t.Errorf("an hour after the start, the clock settles in %v, want 0", got)
	}
}

// The uptime counts while the machine is suspended, so that a suspension is no jump.
func TestTheClockReadsTheUptime(t *testing.T) {
	text, err := os.ReadFile("/proc/uptime") // of the boot clock
	if err != nil {
		t.Fatal(err)
	}
	var want float64
	if _, err := fmt.Sscan(string(text), &want); err != nil {
		t.Fatal(err)
	}
	wall, got := readClock()
	if off := got.Seconds() - want; off < -0.1 || off > 60 {
		t.Errorf("readClock: up for %v, want %v seconds", got, want)
	}
	if off := time.Since(wall); off < 0 || off > time.Minute {
		t.Errorf("readClock: %v is %v ago", wall, off)
	}
}
