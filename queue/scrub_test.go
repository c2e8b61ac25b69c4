package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/queue"
)

// takeOut stands for what finds addresses in texts.
func takeOut(text string) (string, bool) {
	rest := strings.ReplaceAll(strings.ToLower(text), "jane@example.com", "[x]")
	if rest == strings.ToLower(text) {
		return text, false
	}
	return rest, true
}

func TestScrubTakesAPersonOutOfAnEntry(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	event := func(kind bounce.EventKind, change func(*bounce.Event)) *bounce.Event {
		ev := &bounce.Event{Kind: kind, Delivery: bounce.Delivery{At: at, Host: "mx", MTA: bounce.Postfix, QueueID: "4X"}}
		change(ev)
		return ev
	}
	deferred := func(recipient, original, reply string) *bounce.Event {
		return event(bounce.EventAttempt, func(ev *bounce.Event) {
			ev.Recipient, ev.OriginalRecipient, ev.Outcome, ev.Reply.Text = recipient, original, bounce.Deferred, reply
		})
	}
	for name, c := range map[string]struct {
		events []*bounce.Event
		left   []string // what of the entry has to stay
		same   bool
	}{
		"a recipient":  {events: []*bounce.Event{deferred("Jane@Example.com", "", "450 wait"), deferred("joe@example.com", "", "451 wait")}, left: []string{"joe@example.com", "451 wait"}},
		"a sender":     {events: []*bounce.Event{event(bounce.EventMessage, func(ev *bounce.Event) { ev.Sender, ev.HasSender, ev.MessageID = "jane@example.com", true, "m1" })}, left: []string{"m1"}},
		"an alias":     {events: []*bounce.Event{deferred("joe@example.com", "jane@example.com", "450 wait")}, left: []string{"joe@example.com", "450 wait"}},
		"a quotation":  {events: []*bounce.Event{deferred("joe@example.com", "", "450 <jane@example.com> is full")}, left: []string{"joe@example.com", "is full"}},
		"a message-id": {events: []*bounce.Event{event(bounce.EventMessage, func(ev *bounce.Event) { ev.MessageID = "1.jane@example.com" })}, left: []string{"1.[x]"}},
		"nobody":       {events: []*bounce.Event{deferred("joe@example.com", "", "450 wait")}, left: []string{"joe@example.com"}, same: true},
	} {
		t.Run(name, func(t *testing.T) {
			q := queue.New()
			for _, ev := range c.events {
				q.Apply(ev, func(*bounce.Delivery) {})
			}
			entries, err := q.Changes()
			if err != nil || len(entries) != 1 {
				t.Fatalf("Changes: %d entries, %v", len(entries), err)
			}
			rest, changed, err := queue.Scrub(entries[0].Data, takeOut)
			if err != nil || changed == c.same {
				t.Errorf("Scrub: changed %v, %v", changed, err)
			}
			if strings.Contains(strings.ToLower(string(rest)), "jane@example.com") {
				t.Errorf("the address is left in %s", rest)
			}
			for _, want := range c.left {
				if !strings.Contains(string(rest), want) {
					t.Errorf("%q is gone from %s", want, rest)
				}
			}
			entries[0].Data = rest
			if err := queue.New().Restore(entries); err != nil {
				t.Errorf("Restore of what Scrub left: %v", err)
			}
		})
	}
	if _, _, err := queue.Scrub([]byte("{"), takeOut); err == nil {
		t.Error("Scrub takes what is no entry")
	}
}
