package queue_test

import (
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/queue"
)

// The queue of a daemon that follows takes over what an import learned of messages
// that are still on their way, and keeps what it knows itself.
func TestAdoptAddsWhatIsNotKnown(t *testing.T) {
	message := func(id, messageID, sender string) bounce.Event {
		return bounce.Event{Kind: bounce.EventMessage, Delivery: bounce.Delivery{QueueID: id, MessageID: messageID, Sender: sender, HasSender: sender != ""}}
	}
	attempt := func(id, to string, o bounce.Outcome, reply string) bounce.Event {
		return bounce.Event{Kind: bounce.EventAttempt, Delivery: bounce.Delivery{QueueID: id, Recipient: to, Outcome: o, Reply: bounce.Reply{Text: reply}}}
	}
	imported := newLog(t)
	imported.apply(
		message("A", "a@example.com", "old@example.com"), attempt("A", "jane@example.com", bounce.Deferred, "450 busy"),
		message("B", "b@example.com", "import@example.com"),
		message("C", "c1@example.com", "first@example.com"),
		message("D", "d@example.com", "gone@example.com"),
	)
	followed := newLog(t)
	followed.now = imported.now
	followed.apply(
		attempt("B", "joe@example.com", bounce.Deferred, "450 later"), // its sender is in the imported log
		message("C", "c2@example.com", "second@example.com"),          // the queue ID was used again
		message("D", "d@example.com", "gone@example.com"),
	)
	followed.restart()
	followed.apply(bounce.Event{Kind: bounce.EventRemoved, Delivery: bounce.Delivery{QueueID: "D"}})
	if err := followed.Adopt(imported.changes()); err != nil {
		t.Fatal(err)
	}
	var saved []string
	for _, e := range followed.changes() {
		saved = append(saved, e.QueueID)
	}
	if want := []string{"A", "B", "D"}; !slices.Equal(saved, want) { // D is deleted
		t.Errorf("changes after Adopt: %q, want %q", saved, want)
	}
	followed.deliveries = nil
	followed.apply(
		bounce.Event{Kind: bounce.EventGaveUp, Delivery: bounce.Delivery{QueueID: "A"}},
		attempt("B", "joe@example.com", bounce.Bounced, "550 no"),
		attempt("C", "jim@example.com", bounce.Bounced, "550 no"),
		attempt("D", "joy@example.com", bounce.Bounced, "550 no"),
	)
	want := []string{
		"jane@example.com expired from=<old@example.com> true id=a@example.com 450 busy",
		"joe@example.com bounced from=<import@example.com> true id=b@example.com 550 no",
		"jim@example.com bounced from=<second@example.com> true id=c2@example.com 550 no",
		"joy@example.com bounced from=<> false id= 550 no",
	}
	if !slices.Equal(followed.deliveries, want) {
		t.Errorf("deliveries after Adopt:\ngot  %q\nwant %q", followed.deliveries, want)
	}
}

// An import next to a daemon would count a success again that waits in the daemon.
func TestWhatWaitsStaysWithTheDaemon(t *testing.T) {
	followed := newLog(t)
	followed.apply(
		message("A1", "news@a.example", "1@a"), handedOver("A1", "x@b.example", ""),
		message("B1", "shop@a.example", "2@a"), attempt("B1", "y@b.example", bounce.Deferred, "450 later"),
		message("C1", "old@a.example", "3@a"), removed("C1"),
	)
	entries := slices.DeleteFunc(followed.changes(), func(e bounce.QueueEntry) bool { return e.Data == nil })
	if followed.Waiting() != 1 || len(entries) != 4 { // two messages, the success that waits, and what has left
		t.Fatalf("%d successes wait, %d entries; want 1 and 4", followed.Waiting(), len(entries))
	}
	for name, restore := range map[string]func(*queue.Queue, []bounce.QueueEntry) error{"restored": (*queue.Queue).RestoreMessages, "adopted": (*queue.Queue).Adopt} {
		l := newLog(t)
		l.now = followed.now
		if err := restore(l.Queue, entries); err != nil {
			t.Fatal(err)
		}
		if l.Waiting() != 0 || l.Len() != 2 {
			t.Errorf("%s: %d successes wait, %d messages; want 0 and 2", name, l.Waiting(), l.Len())
		}
		l.apply(attempt("B1", "y@b.example", bounce.Bounced, "550 no"))
		l.want("y@b.example bounced from=<shop@a.example> true id=2@a 550 no")
	}
}
