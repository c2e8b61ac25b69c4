package login

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// limiter bounds how often something happens by name. It needs the same memory for any
// number of names, and treats those that exist as those that do not.
type limiter struct {
	rate  float64 // a second
	burst float64

	mu      sync.Mutex
	seed    maphash.Seed
	buckets []bucket
}

// bucket has what is left for the names that share it, at a time.
type bucket struct {
	left float64
	at   time.Time
}

// wait returns 0 if it may happen now, and otherwise how long to wait.
func (l *limiter) wait(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name)
	if !b.at.IsZero() {
		b.left = math.Min(l.burst, b.left+l.rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.left < 1 {
		return max(time.Second, time.Duration((1-b.left)/l.rate*float64(time.Second)))
	}
	b.left--
	return 0
}

// reset forgets what has happened.
func (l *limiter) reset(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name)
	b.left = l.burst
}

func (l *limiter) bucket(name string) *bucket {
	const buckets = 4096
	if l.buckets == nil {
		l.seed, l.buckets = maphash.MakeSeed(), make([]bucket, buckets)
		for i := range l.buckets {
			l.buckets[i].left = l.burst
		}
	}
	return &l.buckets[maphash.String(l.seed, name)%buckets]
}
