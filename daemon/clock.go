package daemon

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// clock is the time by which states end, old records are deleted, and incidents are judged.
// A daemon that runs knows how much time has passed, also while the machine was suspended.
// So if the machine's clock jumps ahead, for example because a time server is wrong, it is
// followed only after it has kept its time for as long as it has jumped, at most for a day.
// A clock that is set back is followed at once: nothing ends or is deleted by that.
//
// A machine that starts may have a wrong time until it has asked a time server. For a
// minute its clock is followed wherever it goes, and settles says how long to wait before
// anything is done by it.
type clock struct {
	mu       sync.Mutex
	read     func() (wall time.Time, uptime time.Duration) // readClock if it is nil
	wall     time.Time                                     // that is believed, at passed
	passed   time.Duration                                 // the uptime then
	jump     time.Duration                                 // of the machine's clock, from what is believed; 0 if there is none
	jumpedAt time.Duration                                 // when it was noticed
}

const (
	// smallJump is followed at once.
	smallJump = time.Hour
	// beliefAfter is how long a clock that has jumped must keep its time, at most.
	beliefAfter = 24 * time.Hour
	// settledAfter is the uptime from which the clock of a machine is believed.
	settledAfter = time.Minute
)

// readClock returns the time, and how long ago the machine started.
func readClock() (wall time.Time, uptime time.Duration) {
	var passed unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &passed) // Linux has it since 2.6.39
	return time.Now().Round(0), time.Duration(passed.Nano())
}

// Now returns the time.
func (c *clock) Now() time.Time {
	now, _ := c.now()
	return now
}

// now returns the time, and how far the machine's clock has jumped from it.
func (c *clock) now() (now time.Time, jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, passed := c.reading()
	if c.wall.IsZero() {
		c.wall, c.passed = wall, passed
	}
	believed := c.wall.Add(passed - c.passed)
	jump = wall.Sub(believed)
	switch {
	case jump <= smallJump, passed < settledAfter:
	case c.jump == 0 || (jump-c.jump).Abs() > smallJump:
		c.jump, c.jumpedAt = jump, passed
		return believed, jump
	case passed-c.jumpedAt < min(c.jump, beliefAfter):
		return believed, jump
	}
	c.wall, c.passed, c.jump = wall, passed, 0
	return wall, 0
}

func (c *clock) reading() (wall time.Time, uptime time.Duration) {
	if c.read == nil {
		return readClock()
	}
	return c.read()
}

// settles returns how long to wait before anything is done by the clock: 0 unless the
// machine has just started.
func (c *clock) settles() time.Duration {
	_, uptime := c.reading()
	return max(0, settledAfter-uptime)
}
