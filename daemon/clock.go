package daemon

import (
	"sync"
	"time"
)

// clock is the time by which states end and old records are deleted. A daemon that runs
// knows how much time has passed. So if the machine's clock jumps ahead, for example
// because a time server is wrong, it is followed only after it has kept its time for a
// day. A clock that is set back is followed at once: nothing ends or is deleted by that.
type clock struct {
	mu       sync.Mutex
	read     func() (wall time.Time, passed time.Duration) // time.Now if it is nil
	wall     time.Time                                     // that is believed, at passed
	passed   time.Duration
	jump     time.Duration // of the machine's clock, from what is believed; 0 if there is none
	jumpedAt time.Duration // when it was noticed
}

const (
	// smallJump is followed at once. A machine that was suspended for a night jumps too.
	smallJump = 24 * time.Hour
	// beliefAfter is how long a clock that has jumped must keep its time.
	beliefAfter = 24 * time.Hour
)

// started is a time that the monotonic clock counts from.
var started = time.Now()

// Now returns the time.
func (c *clock) Now() time.Time {
	now, _ := c.now()
	return now
}

// now returns the time, and how far the machine's clock has jumped from it.
func (c *clock) now() (now time.Time, jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wall time.Time
	var passed time.Duration
	if c.read != nil {
		wall, passed = c.read()
	} else {
		at := time.Now()
		wall, passed = at.Round(0), at.Sub(started)
	}
	if c.wall.IsZero() {
		c.wall, c.passed = wall, passed
	}
	believed := c.wall.Add(passed - c.passed)
	jump = wall.Sub(believed)
	switch {
	case jump <= smallJump:
	case c.jump == 0 || (jump-c.jump).Abs() > smallJump:
		c.jump, c.jumpedAt = jump, passed
		return believed, jump
	case passed-c.jumpedAt < beliefAfter:
		return believed, jump
	}
	c.wall, c.passed, c.jump = wall, passed, 0
	return wall, 0
}
