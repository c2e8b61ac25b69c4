package queue

import (
	"encoding/json"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
)

// RestoreMessages is Restore for the memory of an import next to a daemon: the
// successes that wait, and what left the queue a moment ago, stay with the daemon.
func (q *Queue) RestoreMessages(entries []bounce.QueueEntry) error {
	messages := make([]bounce.QueueEntry, 0, len(entries))
	for _, e := range entries {
		var known entry
		if err := json.Unmarshal(e.Data, &known); err != nil {
			return fmt.Errorf("what is remembered of message %s: %w", e.QueueID, err)
		}
		if known.Waiting == nil && e.QueueID != recentEntry {
			messages = append(messages, e)
		}
	}
	return q.Restore(messages)
}

// Adopt adds what the memory of an import has learned of messages. What q knows
// itself stays: it comes from the log that is followed, and is newer.
func (q *Queue) Adopt(entries []bounce.QueueEntry) error {
	for _, e := range entries {
		var known entry
		if err := json.Unmarshal(e.Data, &known); err != nil {
			return fmt.Errorf("what is remembered of message %s: %w", e.QueueID, err)
		}
		if known.Waiting == nil && e.QueueID != recentEntry {
			q.adopt(e, &known)
		}
	}
	return nil
}

func (q *Queue) adopt(e bounce.QueueEntry, known *entry) {
	hash, origin := hashID(e.QueueID), q.origins.number(e.Host, e.MTA)
	m := q.messages.find(hash, origin, e.QueueID)
	switch {
	case m == nil:
		m = q.add(hash, origin, e.QueueID)
		m.seenAt = e.SeenAt
	case m.ended:
		return // the log that is followed has its end
	case len(m.messageID) > 0 && string(m.messageID) != known.MessageID:
		return // the queue ID was used again
	}
	if len(m.messageID) == 0 {
		m.setMessageID(known.MessageID)
	}
	if !m.hasSender {
		m.setSender(known.Sender, known.HasSender)
	}
	for recipient, d := range known.Deferrals {
		if m.deferrals.of(recipient) == nil {
			m.deferrals.set(recipient, *d)
		}
	}
	q.touch(m)
}
