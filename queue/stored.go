package queue

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Changes returns the entries that changed since it was last called, in a
// stable order. From then on they count as stored: the caller saves them, or starts
// again from the database.
func (q *Queue) Changes() ([]bounce.QueueEntry, error) {
	entries, err := q.waitingChanges()
	if err != nil {
		return nil, err
	}
	entries = slices.Grow(entries, len(q.changed)+len(q.ended))
	for _, m := range q.changed {
		data, err := marshal(&entry{Sender: string(m.sender), HasSender: m.hasSender, MessageID: string(m.messageID), Deferrals: m.deferrals.byRecipient()})
		if err != nil {
			return nil, fmt.Errorf("stored state of message %s: %w", m.id, err)
		}
		e := q.entry(m)
		e.SeenAt, e.Data = m.seenAt, data
		entries = append(entries, e)
		m.stored, m.changedIndex = true, 0
	}
	for _, m := range q.ended {
		if m.ended { // and not listed twice
			entries = append(entries, q.entry(m))
			m.ended = false
			q.drop(m)
		}
	}
	q.changed, q.ended = q.changed[:0], q.ended[:0]
	slices.SortFunc(entries, func(a, b bounce.QueueEntry) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.MTA, b.MTA), cmp.Compare(a.QueueID, b.QueueID))
	})
	return entries, nil
}

func (q *Queue) entry(m *message) bounce.QueueEntry {
	o := q.origins.known[m.origin]
	return bounce.QueueEntry{Host: o.host, MTA: o.mta, QueueID: string(m.id)}
}

// Restore restores the entries that Changes returned earlier.
func (q *Queue) Restore(entries []bounce.QueueEntry) error {
	for _, e := range entries {
		var known entry
		if err := json.Unmarshal(e.Data, &known); err != nil {
			return fmt.Errorf("stored state of message %s: %w", e.QueueID, err)
		}
		if known.Waiting != nil {
			if err := q.restoreWaiting(e, &known); err != nil {
				return err
			}
			continue
		}
		if e.QueueID == recentEntry {
			q.recent.restore(known.Recent)
			continue
		}
		origin := q.origins.number(e.Host, e.MTA)
		hash := hashID(e.QueueID)
		m := q.messages.find(hash, origin, e.QueueID)
		if m == nil {
			m = q.add(hash, origin, e.QueueID)
		}
		m.setMessageID(known.MessageID)
		m.setSender(known.Sender, known.HasSender)
		m.deferrals.clear()
		for recipient, d := range known.Deferrals {
			m.deferrals.set(recipient, *d)
		}
		m.seenAt, m.stored = e.SeenAt, true
	}
	q.waiting.sort()
	return nil
}
