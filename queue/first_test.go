package queue_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/queue"
)

// TestOnlyTheFirstAttemptIsFirst also restarts before each attempt, because what was
// deferred is known from the database then.
func TestOnlyTheFirstAttemptIsFirst(t *testing.T) {
	for _, restart := range []bool{false, true} {
		l := newLog(t)
		stored := make(map[string]bounce.QueueEntry)
		var got []string
		for _, ev := range []bounce.Event{
			attempt("A1", "x@b.example", bounce.Deferred, "450 later"),
			attempt("A1", "x@b.example", bounce.Deferred, "450 later"),
			attempt("A1", "y@b.example", bounce.Bounced, "550 no"),
			attempt("A1", "x@b.example", bounce.Sent, ""),
			attempt("A2", "x@b.example", bounce.Sent, ""),
			attempt("", "x@b.example", bounce.Bounced, "550 no"),
			attempt("", "x@b.example", bounce.Bounced, "550 no"),
			attempt("A3", "X@b.example", bounce.Deferred, "450 later"),
			attempt("A3", "x@b.example", bounce.Expired, "retry timeout exceeded"),
		} {
			if restart {
				for _, e := range l.changes() {
					if stored[e.QueueID] = e; e.Data == nil {
						delete(stored, e.QueueID)
					}
				}
				l.Queue = queue.New()
				if err := l.Restore(slices.Collect(maps.Values(stored))); err != nil {
					t.Fatal(err)
				}
			}
			ev.Host, ev.MTA, ev.At = "mx1", bounce.Postfix, l.now
			l.Apply(&ev, func(d *bounce.Delivery) {
				got = append(got, fmt.Sprint(d.QueueID, " ", d.Recipient, " ", d.Outcome, " ", d.First))
			})
		}
		want := []string{
			"A1 x@b.example deferred true", "A1 x@b.example deferred false", "A1 y@b.example bounced true", "A1 x@b.example sent false",
			"A2 x@b.example sent true", " x@b.example bounced true", " x@b.example bounced true",
			"A3 X@b.example deferred true", "A3 x@b.example expired false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("restart %v:\n got %q\nwant %q", restart, got, want)
		}
	}
}

func TestASuccessThatWaitedKeepsItsServerAndNumber(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "news@a.example", "1@a"), attempt("A1", "x@b.example", bounce.Deferred, "450 later"))
	ev := attempt("A1", "x@b.example", bounce.Sent, "")
	ev.At, ev.Host, ev.MTA, ev.Handover = l.now, "mx1", bounce.Postfix, true
	ev.Reply.RelayHost = "filter.b.example"
	l.Apply(&ev, func(*bounce.Delivery) { t.Fatal("the success did not wait") })
	l.restart()
	n := 0
	l.Release(time.Time{}, func(d *bounce.Delivery) {
		n++
		if d.Reply.RelayHost != "filter.b.example" || d.First {
			t.Errorf("released with relay %q, first %v; want filter.b.example and false", d.Reply.RelayHost, d.First)
		}
	})
	if n != 1 {
		t.Errorf("%d successes were released, want 1", n)
	}
}
