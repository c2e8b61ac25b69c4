package queue

import (
	"encoding/json"
	"fmt"
)

// Scrub removes a person from the Data of a stored entry: their deferrals, their
// address as the sender, and what other texts quote of it.
// The function removes addresses from a text and reports whether there was
// one. An entry that does not change is returned as it is.
func Scrub(data []byte, scrub func(text string) (string, bool)) (rest []byte, changed bool, err error) {
	var m entry
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, false, fmt.Errorf("what is remembered of a message: %w", err)
	}
	if _, hit := scrub(m.Sender); hit {
		m.Sender, m.HasSender, changed = "", false, true
	}
	if id, hit := scrub(m.MessageID); hit {
		m.MessageID, changed = id, true
	}
	if w := m.Waiting; w != nil {
		_, inRecipient := scrub(w.Recipient)
		_, inOriginal := scrub(w.OriginalRecipient)
		if inRecipient || inOriginal {
			w.Recipient, w.OriginalRecipient, changed = "", "", true // which Restore drops
		}
	}
	for recipient, d := range m.Deferrals {
		if _, hit := scrub(recipient); hit {
			delete(m.Deferrals, recipient)
			changed = true
			continue
		}
		text, inReply := scrub(d.Reply.Text)
		_, inOriginal := scrub(d.OriginalRecipient)
		if inOriginal {
			d.OriginalRecipient = ""
		}
		if inReply || inOriginal {
			d.Reply.Text = text
			m.Deferrals[recipient] = d
			changed = true
		}
	}
	if !changed {
		return data, false, nil
	}
	rest, err = json.Marshal(&m)
	return rest, true, err
}
