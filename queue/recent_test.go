package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// A filter may answer after the message that it gave back has left the queue.
func TestAFilterThatAnswersLast(t *testing.T) {
	for name, tt := range map[string]struct {
		second []bounce.Event // what is logged before the success of A1
		first  bounce.Event
	}{
		"a server that names the ID": {
			[]bounce.Event{message("A2", "news@a.example", "1@a"), attempt("A2", "x@b.example", bounce.Bounced, "550 no"), removed("A2")},
			handedOver("A1", "x@b.example", "A2"),
		},
		"a server that names the ID of a message whose arrival was not logged": {
			[]bounce.Event{attempt("A2", "x@b.example", bounce.Bounced, "550 no"), removed("A2")},
			handedOver("A1", "x@b.example", "A2"),
		},
		"a server that names none": {
			[]bounce.Event{message("A2", "news@a.example", "1@a"), attempt("A2", "x@b.example", bounce.Bounced, "550 no"), removed("A2")},
			func() bounce.Event {
				ev := handedOver("A1", "x@b.example", "")
				ev.Server = true
				return ev
			}(),
		},
		"a program": {
			[]bounce.Event{message("A2", "news@a.example", "1@a"), attempt("A2", "X@b.example", bounce.Bounced, "550 no"), removed("A2")},
			handedOver("A1", "x@b.example", ""),
		},
		"a program, while the second message is there": {
			[]bounce.Event{message("A2", "news@a.example", "1@a"), attempt("A2", "x@b.example", bounce.Bounced, "550 no")},
			handedOver("A1", "x@b.example", ""),
		},
		"a server elsewhere that writes to the same log": {
			[]bounce.Event{message("A2", "news@a.example", "1@a"), attempt("A2", "x@b.example", bounce.Bounced, "550 no"), removed("A2")},
			func() bounce.Event {
				ev := attempt("A1", "x@b.example", bounce.Sent, "")
				ev.Onward = "A2"
				return ev
			}(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				l := newLog(t)
				// Without a filter seen before, what left the queue is not stored.
				l.apply(message("A0", "news@a.example", "0@a"), handedOver("A0", "w@b.example", ""), removed("A0"))
				l.Release(time.Time{}, func(*bounce.Delivery) {})
				l.apply(message("A1", "news@a.example", "1@a"))
				l.apply(tt.second...)
				if restarts && tt.first.Onward != "" && tt.first.Handover { // only these are found behind a restart
					l.restart()
				}
				l.deliveries = nil
				l.apply(tt.first, removed("A1"))
				l.Release(time.Time{}, func(d *bounce.Delivery) { l.deliveries = append(l.deliveries, "released") })
				if len(l.deliveries) > 0 {
					t.Errorf("restarts %v: %q, want nothing more", restarts, l.deliveries)
				}
			}
		})
	}
}

// Any server can name the ID of a message in its answer.
func TestAServerElsewhereCannotHideADelivery(t *testing.T) {
	l := newLog(t)
	ev := attempt("A1", "x@b.example", bounce.Sent, "")
	ev.Onward = "A2"
	own := ev
	own.Onward = "A1"
	l.apply(message("A1", "news@a.example", "1@a"), message("A2", "news@a.example", "2@a"), ev, own)
	if len(l.deliveries) != 2 {
		t.Errorf("deliveries %q, want both", l.deliveries)
	}
}

// Message-ids repeat: a message of another sender is another one.
func TestAnotherSenderIsAnotherMessage(t *testing.T) {
	l := newLog(t)
	l.apply(
		message("A1", "news@a.example", "1@a"), handedOver("A1", "x@b.example", ""), removed("A1"),
		message("A2", "other@c.example", "1@a"), handedOver("A2", "x@b.example", ""), removed("A2"),
	)
	n := 0
	l.Release(time.Time{}, func(*bounce.Delivery) { n++ })
	if n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

// The second message may wait in the queue for longer than its arrival took.
func TestASecondMessageIsWaitedFor(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		l := newLog(t)
		l.apply(message("A1", "news@a.example", "1@a"), later(handedOver("A1", "x@b.example", ""), 0), later(removed("A1"), 0),
			later(message("A2", "news@a.example", "1@a"), time.Second), later(message("B1", "y@a.example", "9@a"), 2*time.Minute))
		if restarts {
			l.restart()
		}
		l.apply(later(attempt("A2", "x@b.example", bounce.Deferred, "450 no"), 3*time.Minute))
		n := 0
		l.Release(time.Time{}, func(*bounce.Delivery) { n++ })
		if n > 0 || len(l.deliveries) != 1 {
			t.Errorf("restarts %v: %d released, deliveries %q; want the deferral alone", restarts, n, l.deliveries)
		}
	}
}

// A content filter by its name may rewrite recipients, without naming the ones
// before.
func TestAFilterByItsName(t *testing.T) {
	l := newLog(t)
	ev := handedOver("A1", "list@a.example", "")
	ev.Filter = true
	l.apply(message("A1", "news@a.example", "1@a"), ev, removed("A1"), message("A2", "news@a.example", "1@a"), attempt("A2", "x@b.example", bounce.Deferred, "450 no"))
	l.Release(time.Time{}, func(d *bounce.Delivery) { t.Errorf("released: %s", d.Recipient) })
}

// It may also submit the message as its own user, before or after it answers. Another
// sender and another recipient are another message.
func TestAFilterByItsNameMayChangeTheSender(t *testing.T) {
	taken := handedOver("A1", "x@b.example", "")
	taken.Filter = true
	back := []bounce.Event{message("A2", "filter@a.example", "1@a"), attempt("A2", "x@b.example", bounce.Deferred, "450 no")}
	for name, events := range map[string][]bounce.Event{
		"after it answers":       {taken, removed("A1"), back[0], back[1]},
		"before":                 {back[0], back[1], taken},
		"before, and removed":    {back[0], back[1], removed("A2"), taken},
		"arrived before it does": {back[0], taken, back[1]},
	} {
		l := newLog(t)
		l.apply(message("A1", "news@a.example", "1@a"))
		l.apply(events...)
		l.Release(time.Time{}, func(d *bounce.Delivery) { t.Errorf("%s: released: %s", name, d.Recipient) })
	}
	l := newLog(t)
	l.apply(message("A1", "news@a.example", "1@a"), taken, removed("A1"), message("A2", "list@a.example", "1@a"), attempt("A2", "y@b.example", bounce.Deferred, "450 no"))
	n := 0
	l.Release(time.Time{}, func(*bounce.Delivery) { n++ })
	if n != 1 {
		t.Errorf("%d released, want the delivery of another message's recipient", n)
	}
}

// What left the queues is remembered up to a number of messages, and found on any
// host, however many left after it.
func TestTheMessageOfAnAnswerIsFoundAmongMany(t *testing.T) {
	for _, tt := range []struct {
		removed   int // messages that left after the one that the answer names
		delivered int // deliveries that count
	}{
		{0, 0}, {1000, 0}, {5000, 1},
	} {
		l := newLog(t)
		l.apply(later(message("FFFF0", "news@a.example", "1@a"), 0), later(removed("FFFF0"), 0))
		for i := range tt.removed {
			id := fmt.Sprintf("%05X", i)
			l.apply(later(message(id, "news@a.example", id+"@a"), 0), later(removed(id), 0))
		}
		ev := later(attempt("A1FFF", "x@b.example", bounce.Sent, ""), time.Second)
		ev.Onward, ev.Handover, ev.Server, ev.Host = "FFFF0", true, true, "mx2"
		l.apply(ev)
		l.Release(time.Time{}, func(*bounce.Delivery) { l.deliveries = append(l.deliveries, "released") })
		if len(l.deliveries) != tt.delivered {
			t.Errorf("%d messages removed meanwhile: deliveries %q, want %d", tt.removed, l.deliveries, tt.delivered)
		}
	}
}
