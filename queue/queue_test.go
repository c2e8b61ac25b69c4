package queue_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/queue"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// log applies events to a queue and collects a line for each delivery.
type log struct {
	*queue.Queue
	t          *testing.T
	deliveries []string
	now        time.Time
}

func newLog(t *testing.T) *log { return &log{Queue: queue.New(), t: t, now: start} }

func (l *log) apply(events ...bounce.Event) {
	l.t.Helper()
	for _, ev := range events {
		if ev.At.IsZero() {
			l.now = l.now.Add(time.Second)
			ev.At = l.now
		}
		if ev.Host == "" {
			ev.Host = "mx1"
		}
		ev.MTA = bounce.Postfix
		l.Apply(&ev, func(d *bounce.Delivery) {
			l.deliveries = append(l.deliveries, fmt.Sprintf("%s %s from=<%s> %v id=%s %s", d.Recipient, d.Outcome, d.Sender, d.HasSender, d.MessageID, d.Reply.Text))
		})
	}
}

// restart saves what changed and gives it to a queue of its own, as a restart
// of the daemon does.
func (l *log) restart() []bounce.QueueEntry {
	l.t.Helper()
	entries := l.changes()
	l.Queue = queue.New()
	if err := l.Restore(slices.DeleteFunc(slices.Clone(entries), func(e bounce.QueueEntry) bool { return e.Data == nil })); err != nil {
		l.t.Fatalf("Restore: %v", err)
	}
	return entries
}

func (l *log) changes() []bounce.QueueEntry {
	l.t.Helper()
	entries, err := l.Changes()
	if err != nil {
		l.t.Fatalf("Changes: %v", err)
	}
	return entries
}

func (l *log) want(lines ...string) {
	l.t.Helper()
	if !slices.Equal(l.deliveries, lines) {
		l.t.Errorf("deliveries:\n got %q\nwant %q", l.deliveries, lines)
	}
}

func message(id, sender, messageID string) bounce.Event {
	return bounce.Event{Kind: bounce.EventMessage, Delivery: bounce.Delivery{QueueID: id, Sender: sender, HasSender: true, MessageID: messageID}}
}

func attempt(id, to string, outcome bounce.Outcome, reply string) bounce.Event {
	code, _ := strconv.Atoi(reply[:min(3, len(reply))]) // 0 where there is none
	return bounce.Event{Kind: bounce.EventAttempt, Delivery: bounce.Delivery{QueueID: id, Recipient: to, Outcome: outcome, Reply: bounce.Reply{SMTPCode: code, Text: reply}}}
}

func gaveUp(id string) bounce.Event {
	return bounce.Event{Kind: bounce.EventGaveUp, Delivery: bounce.Delivery{QueueID: id}}
}

func removed(id string) bounce.Event {
	return bounce.Event{Kind: bounce.EventRemoved, Delivery: bounce.Delivery{QueueID: id}}
}

func TestAttemptGetsSenderAndMessageID(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "news@a.example", "1@a"), attempt("A1", "x@b.example", bounce.Bounced, "550 no"))
	l.want("x@b.example bounced from=<news@a.example> true id=1@a 550 no")
}

func TestNullSenderIsKnownToBeNull(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "", "1@a"), attempt("A1", "x@b.example", bounce.Bounced, "550 no"), attempt("A2", "x@b.example", bounce.Bounced, "550 no"))
	l.want(
		"x@b.example bounced from=<> true id=1@a 550 no",
		"x@b.example bounced from=<> false id= 550 no",
	)
}

func TestExpiryOfAMessageTellsEachRecipientsLastDeferral(t *testing.T) {
	l := newLog(t)
	l.apply(
		message("A1", "news@a.example", "1@a"),
		attempt("A1", "x@b.example", bounce.Deferred, "450 first"),
		attempt("A1", "y@b.example", bounce.Deferred, "450 y"),
		attempt("A1", "z@b.example", bounce.Deferred, "450 z"),
		attempt("A1", "x@b.example", bounce.Deferred, "451 last"),
		attempt("A1", "z@b.example", bounce.Sent, ""),
	)
	l.deliveries = nil
	l.apply(gaveUp("A1"), removed("A1"))
	l.want(
		"x@b.example expired from=<news@a.example> true id=1@a 451 last",
		"y@b.example expired from=<news@a.example> true id=1@a 450 y",
	)
}

func TestExpiryOfOneRecipientTellsItsLastDeferral(t *testing.T) {
	l := newLog(t)
	l.apply(
		message("A1", "news@a.example", "1@a"),
		attempt("A1", "x@b.example", bounce.Deferred, "451 later"),
		attempt("A1", "x@b.example", bounce.Expired, "retry timeout exceeded"),
		attempt("A1", "x@b.example", bounce.Expired, "retry timeout exceeded"),
	)
	l.want(
		"x@b.example deferred from=<news@a.example> true id=1@a 451 later",
		"x@b.example expired from=<news@a.example> true id=1@a 451 later",
		"x@b.example expired from=<news@a.example> true id=1@a retry timeout exceeded",
	)
}

// Exim: "== full.user@remote.example <Full.User@Remote.EXAMPLE> …" and then
// "** Full.User@Remote.EXAMPLE: retry timeout exceeded".
func TestExpiryIsJoinedWhateverTheCaseOfTheAddress(t *testing.T) {
	l := newLog(t)
	l.apply(
		attempt("A1", "y@remote.example", bounce.Deferred, "450 y"),
		attempt("A1", "full.user@remote.example", bounce.Deferred, "450 4.2.2 full"),
		attempt("A1", "Full.User@Remote.EXAMPLE", bounce.Expired, "retry timeout exceeded"),
		attempt("A1", "Full.User@Remote.EXAMPLE", bounce.Expired, "retry timeout exceeded"),
	)
	l.want(
		"y@remote.example deferred from=<> false id= 450 y",
		"full.user@remote.example deferred from=<> false id= 450 4.2.2 full",
		"Full.User@Remote.EXAMPLE expired from=<> false id= 450 4.2.2 full",
		"Full.User@Remote.EXAMPLE expired from=<> false id= retry timeout exceeded", // none is left
	)
}

func TestExpiryOfOneRecipientHasAnIDOfItsOwn(t *testing.T) {
	q := queue.New()
	var ids []bounce.EventID
	for _, to := range []string{"x@b.example", "y@b.example"} {
		ev := attempt("A1", to, bounce.Deferred, "450 no")
		q.Apply(&ev, func(*bounce.Delivery) {})
	}
	ev := gaveUp("A1")
	ev.ID = bounce.NewEventID(7, "status=expired")
	q.Apply(&ev, func(d *bounce.Delivery) { ids = append(ids, d.ID) })
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("ids of two recipients that expire with one line: %v, want two that differ", ids)
	}
}

// A content filter takes a message and gives it back as another: what becomes of
// that one counts.
func TestWhatAFilterTookIsNotDelivered(t *testing.T) {
	l := newLog(t)
	toFilter := attempt("A1", "x@b.example", bounce.Sent, "")
	toFilter.Handover, toFilter.Onward = true, "A2"
	elsewhere := toFilter
	elsewhere.Onward = "A3" // of a server that writes no log here
	l.apply(
		message("A1", "news@a.example", "1@a"),
		attempt("A1", "x@b.example", bounce.Deferred, "connect to 127.0.0.1: Connection refused"),
		message("A2", "news@a.example", "1@a"),
		toFilter,
		removed("A1"),
		attempt("A2", "x@b.example", bounce.Bounced, "550 5.1.1 gone"),
		removed("A2"),
		elsewhere,
	)
	l.Release(time.Time{}, func(d *bounce.Delivery) {
		l.deliveries = append(l.deliveries, fmt.Sprintf("%s %s", d.Recipient, d.Outcome))
	})
	l.want(
		"x@b.example deferred from=<news@a.example> true id=1@a connect to 127.0.0.1: Connection refused",
		"x@b.example bounced from=<news@a.example> true id=1@a 550 5.1.1 gone",
		"x@b.example sent",
	)
}

func TestExpiryWithoutAKnownDeferralIsCounted(t *testing.T) {
	l := newLog(t)
	l.apply(gaveUp("A1"))
	l.want()
	if got := l.Unjoined(); got != 1 {
		t.Errorf("Unjoined() = %d, want 1", got)
	}
}

func TestQueueIDUsedAgainForgetsTheFirstMessage(t *testing.T) {
	for name, events := range map[string][]bounce.Event{
		"after its removal":   {removed("A1"), attempt("A1", "x@b.example", bounce.Bounced, "550 no")},
		"by a new message-id": {{Kind: bounce.EventMessage, Delivery: bounce.Delivery{QueueID: "A1", MessageID: "2@a"}}, attempt("A1", "x@b.example", bounce.Bounced, "550 no")},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.apply(message("A1", "old@a.example", "1@a"), attempt("A1", "y@b.example", bounce.Deferred, "450 no"))
			l.deliveries = nil
			l.apply(events...)
			id := events[0].MessageID
			l.want("x@b.example bounced from=<> false id=" + id + " 550 no")
		})
	}
}

func TestSameQueueIDOnTwoHostsIsTwoMessages(t *testing.T) {
	l := newLog(t)
	a, b := message("A1", "one@a.example", "1@a"), message("A1", "two@a.example", "2@a")
	b.Host = "mx2"
	to := attempt("A1", "x@b.example", bounce.Bounced, "550 no")
	l.apply(a, b, to)
	l.want("x@b.example bounced from=<one@a.example> true id=1@a 550 no")
}

func TestRestartChangesNothing(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "news@a.example", "1@a"), attempt("A1", "x@b.example", bounce.Deferred, "451 4.3.0 later"))
	l.restart()
	l.deliveries = nil
	l.apply(gaveUp("A1"))
	l.want("x@b.example expired from=<news@a.example> true id=1@a 451 4.3.0 later")
}

func TestChangesDeletesWhatWasStoredAndSkipsWhatCameAndWent(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "a@a.example", "1@a"), message("A2", "b@a.example", "2@a"), removed("A2"))
	if got := l.restart(); len(got) != 1 || got[0].QueueID != "A1" || got[0].Data == nil {
		t.Fatalf("Changes after one message came and one also went: %v, want A1 alone", got)
	}
	if got := l.changes(); len(got) != 0 {
		t.Fatalf("Changes with nothing new: %v, want none", got)
	}
	l.apply(removed("A1"))
	if got := l.changes(); len(got) != 1 || got[0].QueueID != "A1" || got[0].Data != nil {
		t.Fatalf("Changes after A1 left: %v, want its deletion", got)
	}
}

func TestMessagesWhoseEndIsNeverLoggedAreForgotten(t *testing.T) {
	l := newLog(t)
	l.apply(message("OLD", "a@a.example", "1@a"))
	l.changes()
	late := message("NEW", "b@a.example", "2@a")
	late.At = start.Add(queue.DefaultLifetime + time.Hour)
	l.apply(late)
	if l.Len() != 1 {
		t.Errorf("Len() = %d after a message outlived the limit, want 1", l.Len())
	}
	if got := l.changes(); len(got) != 2 || got[1].QueueID != "OLD" || got[1].Data != nil {
		t.Errorf("Changes = %v, want the deletion of OLD too", got)
	}
}

func TestAnOldLogReadAfterANewOneForgetsNothingOfEither(t *testing.T) {
	l := newLog(t)
	l.apply(message("NEW", "a@a.example", "1@a"))
	old := message("OLD", "b@a.example", "2@a")
	old.At = start.Add(-365 * 24 * time.Hour)
	l.apply(old)
	if l.Len() != 2 {
		t.Errorf("Len() = %d, want 2", l.Len())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := newLog(t)
	l.MaxMessages = 100
	for i := range 1000 {
		l.apply(message(fmt.Sprintf("A%d", i), "a@a.example", fmt.Sprint(i)))
	}
	if l.Len() > 100 {
		t.Errorf("Len() = %d, want at most 100", l.Len())
	}
	l.deliveries = nil
	l.apply(attempt("A999", "x@b.example", bounce.Bounced, "550 no"))
	l.want("x@b.example bounced from=<a@a.example> true id=999 550 no")
}

func TestAMailingListKeepsTheDeferralOfEachRecipient(t *testing.T) {
	l := newLog(t)
	l.apply(message("A1", "list@a.example", "1@a"))
	want := make(map[string]string)
	for round := range 3 {
		for i := range 300 {
			to := fmt.Sprintf("x%03d@b.example", i)
			switch {
			case i%3 == round: // delivered, or not there at all
				l.apply(attempt("A1", to, bounce.Sent, ""))
				delete(want, to)
			case i%7 != round:
				reply := fmt.Sprintf("45%d later", round)
				l.apply(attempt("A1", to, bounce.Deferred, reply))
				want[to] = to + " expired from=<list@a.example> true id=1@a " + reply
			}
		}
		if round == 1 {
			l.restart()
		}
	}
	l.deliveries = nil
	l.apply(gaveUp("A1"))
	l.want(slices.Sorted(maps.Values(want))...)
}

func TestMessagesThatComeAndGoAgainAndAgainAreKnownAsLongAsTheyAreThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := newLog(t)
	known, stored := make(map[string]string), make(map[string]bool)
	for i := range 30_000 {
		id := fmt.Sprintf("%X", 0xA00000+rng.IntN(300))
		switch rng.IntN(4) {
		case 0, 1:
			known[id] = fmt.Sprintf("%d@a", i)
			l.apply(message(id, "a@a.example", known[id]))
		case 2:
			l.apply(removed(id))
			delete(known, id)
		case 3:
			l.deliveries = nil
			l.apply(attempt(id, "x@b.example", bounce.Bounced, "550 no"))
			l.want(fmt.Sprintf("x@b.example bounced from=<%s> %v id=%s 550 no", map[bool]string{true: "a@a.example"}[known[id] != ""], known[id] != "", known[id]))
		}
		if l.Len() != len(known) {
			t.Fatalf("Len() = %d after %d steps, want %d", l.Len(), i, len(known))
		}
		if rng.IntN(500) > 0 {
			continue
		}
		for _, e := range l.changes() {
			switch gone := e.Data == nil; {
			case gone != (known[e.QueueID] == ""):
				t.Fatalf("Changes has %+v; known is %q", e, known[e.QueueID])
			case gone && !stored[e.QueueID]:
				t.Fatalf("Changes deletes %s, which is not stored", e.QueueID)
			case gone:
				delete(stored, e.QueueID)
			default:
				stored[e.QueueID] = true
			}
		}
		if len(stored) != len(known) {
			t.Fatalf("%d messages are stored, want %d", len(stored), len(known))
		}
	}
}

// Postfix logs the message-id in a line of cleanup and the sender in one of qmgr.
func TestSenderAndMessageIDMayComeInTwoLines(t *testing.T) {
	id, sender := message("A1", "", "1@a"), message("A1", "news@a.example", "")
	id.HasSender = false
	for name, lines := range map[string][]bounce.Event{
		"message-id first": {id, sender},
		"sender first":     {sender, id},
		"sender again":     {id, sender, sender},
		"message-id again": {id, sender, id},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.apply(lines...)
			l.apply(attempt("A1", "x@b.example", bounce.Bounced, "550 no"))
			l.want("x@b.example bounced from=<news@a.example> true id=1@a 550 no")
		})
	}
}
