package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/queue"
)

// handedOver is a success that may be a content filter's.
func handedOver(id, to, onward string) bounce.Event {
	ev := attempt(id, to, bounce.Sent, "")
	ev.Handover, ev.Onward = true, onward
	return ev
}

// later moves an event on in log time.
func later(ev bounce.Event, by time.Duration) bounce.Event {
	ev.At = start.Add(by)
	return ev
}

const sentLine = "x@b.example sent from=<> false id=1@a "

func TestWhatAPipeGaveBackIsNotDelivered(t *testing.T) {
	for name, second := range map[string][]bounce.Event{
		"the message came back before the success was logged": {message("A2", "news@a.example", "1@a"), handedOver("A1", "x@b.example", ""), attempt("A2", "x@b.example", bounce.Deferred, "450 no")},
		"or behind it": {handedOver("A1", "x@b.example", ""), removed("A1"), message("A2", "news@a.example", "1@a"), attempt("A2", "X@B.example", bounce.Deferred, "450 no")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				l := newLog(t)
				l.apply(message("A1", "news@a.example", "1@a"))
				last := len(second) - 1
				l.apply(second[:last]...)
				if restarts {
					l.restart()
				}
				l.apply(second[last])
				l.Release(time.Time{}, func(d *bounce.Delivery) { t.Errorf("released: %s", d.Recipient) })
				if len(l.deliveries) != 1 || !strings.Contains(l.deliveries[0], "deferred") {
					t.Errorf("restarts %v: deliveries %q, want the deferral alone", restarts, l.deliveries)
				}
			}
		})
	}
}

func TestAFinalDeliveryByPipeCountsAfterAMinute(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "news@a.example", "1@a"), later(handedOver("A1", "x@b.example", ""), 0), removed("A1"))
	l.restart()
	l.apply(later(message("B1", "y@a.example", "2@a"), queue.Wait-time.Second))
	l.want()
	l.apply(later(message("B2", "y@a.example", "3@a"), queue.Wait))
	l.want(sentLine)
	rows := 0
	for _, e := range l.changes() {
		if e.Data == nil && strings.HasPrefix(e.QueueID, "A1 ") {
			rows++
		}
	}
	if rows != 1 || l.Waiting() != 0 {
		t.Errorf("%d rows of the success were deleted, and %d wait; want 1 and 0", rows, l.Waiting())
	}
}

func TestASuccessThatWaitsIsReleasedByTheClock(t *testing.T) {
	l := newLog(t)
	clock := start
	l.Now = func() time.Time { return clock }
	l.apply(message("A1", "news@a.example", "1@a"), handedOver("A1", "x@b.example", ""))
	count := func(now time.Time) (n int) {
		l.Release(now, func(*bounce.Delivery) { n++ })
		return n
	}
	if n := count(clock.Add(queue.Wait - 1)); n != 0 {
		t.Errorf("%d were released too early", n)
	}
	if n := count(clock.Add(queue.Wait)); n != 1 {
		t.Errorf("%d were released, want 1", n)
	}
	if n := count(time.Time{}); n != 0 {
		t.Errorf("%d were released twice", n)
	}
}

// Message-ids repeat: a mailing list gives a message back for others.
func TestTheSameMessageForAnotherRecipientIsAnotherMessage(t *testing.T) {
	l := newLog(t)
	l.apply(
		message("A1", "news@a.example", "1@a"), handedOver("A1", "list@b.example", ""), removed("A1"),
		message("A2", "list-bounces@b.example", "1@a"), attempt("A2", "x@c.example", bounce.Sent, ""),
	)
	l.Release(time.Time{}, func(d *bounce.Delivery) { l.deliveries = append(l.deliveries, d.Recipient) })
	l.want("x@c.example sent from=<> false id= ", "list@b.example")
}

func TestWhatAServerNearbyTookIsDecidedThere(t *testing.T) {
	for name, host := range map[string]string{"the same host": "mx1", "another host of the log": "mx2"} {
		for _, first := range []bool{true, false} {
			l := newLog(t)
			next := message("B1", "news@a.example", "other@a")
			next.Host = host
			events := []bounce.Event{message("A1", "news@a.example", "1@a"), next, handedOver("A1", "x@b.example", "B1")}
			if !first {
				events[1], events[2] = events[2], events[1]
			}
			l.apply(events...)
			l.Release(time.Time{}, func(d *bounce.Delivery) { t.Errorf("%s, next first %v: released %s", name, first, d.Recipient) })
			l.want()
		}
	}
}

// A next hop on a private network takes every message, and gives none back.
func TestWhatAServerNearbyTookForGoodCountsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		onward string
		events []bounce.Event
		waits  int
	}{
		"no id":                          {waits: 0},
		"an id of another kind":          {onward: "SINK7BA969", waits: 0},
		"an id of this kind":             {onward: "4BC", waits: 1},
		"another message with its id":    {events: []bounce.Event{message("A2", "news@a.example", "1@a")}, waits: 1},
		"another message of another id":  {events: []bounce.Event{message("A2", "news@a.example", "2@a")}, waits: 0},
		"a message of its id that ended": {events: []bounce.Event{message("A2", "news@a.example", "1@a"), removed("A2")}, waits: 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.apply(message("A1", "news@a.example", "1@a"))
			l.apply(c.events...)
			ev := handedOver("A1", "x@b.example", c.onward)
			ev.Server = true
			l.apply(ev)
			if l.Waiting() != c.waits || len(l.deliveries) != 1-c.waits {
				t.Errorf("%d wait and %d were delivered, want %d and %d", l.Waiting(), len(l.deliveries), c.waits, 1-c.waits)
			}
		})
	}
}

func TestWhatWasDiscardedIsNoDelivery(t *testing.T) {
	l := newLog(t)
	ev := attempt("A1", "x@b.example", bounce.Sent, "")
	ev.Discarded = true
	l.apply(attempt("A1", "x@b.example", bounce.Deferred, "450 no"), ev, gaveUp("A1"))
	l.want("x@b.example deferred from=<> false id= 450 no")
}

func TestScrubTakesASuccessThatWaits(t *testing.T) {
	l := newLog(t)
	ev := handedOver("", "jane@example.com", "")
	ev.MessageID = "1@a"
	l.apply(ev)
	entries := l.changes()
	if len(entries) != 1 {
		t.Fatalf("%d entries, want the success alone", len(entries))
	}
	data, changed, err := queue.Scrub(entries[0].Data, takeOut)
	if err != nil || !changed || strings.Contains(string(data), "jane") {
		t.Fatalf("Scrub gave %s, %v, %v", data, changed, err)
	}
	entries[0].Data = data
	l.Queue = queue.New()
	if err := l.Restore(entries); err != nil {
		t.Fatal(err)
	}
	if got := l.changes(); l.Waiting() != 0 || len(got) != 1 || got[0].Data != nil {
		t.Errorf("after Scrub %d wait, and Changes gives %v; want the deletion", l.Waiting(), got)
	}
}
