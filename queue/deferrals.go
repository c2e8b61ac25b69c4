package queue

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// entry is the JSON in which a message is stored.
type entry struct {
	Sender    string               `json:"s,omitempty"`
	HasSender bool                 `json:"hs,omitempty"`
	MessageID string               `json:"m,omitempty"`
	Deferrals map[string]*deferral `json:"d,omitempty"` // by recipient, as logged
	// Waiting is set in the entry of a success that waits, and not of a message.
	Waiting *waitingEntry `json:"w,omitempty"`
	// Recent is set in the entry of messages that left the queue a moment ago.
	Recent []goneEntry `json:"g,omitempty"`
}

func marshal(e *entry) ([]byte, error) { return json.Marshal(e) }

// deferral is the reason for the last deferral of a recipient.
type deferral struct {
	OriginalRecipient string       `json:"o,omitempty"`
	DSN               string       `json:"n,omitempty"`
	Transport         string       `json:"tr,omitempty"`
	Router            string       `json:"ro,omitempty"`
	Reply             bounce.Reply `json:"r"`
}

// deferrals are those of one message, by recipient. Most messages have one, for
// which a map would be slower; a mailing list may have thousands.
type deferrals struct {
	all   []deferred
	index map[string]int // where they stand in all; nil while they are few
}

type deferred struct {
	recipient string // as logged
	deferral
}

// keep fills in copies, which are parts of one string: the memory of a block of the log
// is used again.
func (d *deferred) keep(recipient string, of deferral) {
	d.recipient, d.deferral = recipient, of
	texts := [...]*string{&d.recipient, &d.OriginalRecipient, &d.DSN, &d.Transport, &d.Router, &d.Reply.EnhancedCode, &d.Reply.Text, &d.Reply.RelayHost, &d.Reply.RelayIP}
	size := 0
	for _, text := range texts {
		size += len(*text)
	}
	var b strings.Builder
	b.Grow(size)
	for _, text := range texts {
		b.WriteString(*text)
	}
	all := b.String()
	for _, text := range texts {
		*text, all = all[:len(*text)], all[len(*text):]
	}
}

// few is how many are found without an index.
const few = 8

// at returns the index of a recipient's deferral, or -1.
func (d *deferrals) at(recipient string) int {
	if d.index != nil {
		if i, known := d.index[recipient]; known {
			return i
		}
		return -1
	}
	return slices.IndexFunc(d.all, func(one deferred) bool { return one.recipient == recipient })
}

// has reports whether the recipient of an attempt was deferred before.
func (d *deferrals) has(ev *bounce.Event) bool {
	if len(d.all) == 0 {
		return false
	}
	recipient := ev.Recipient
	if ev.Outcome == bounce.Expired {
		recipient = d.spelling(recipient)
	}
	return d.at(recipient) >= 0
}

// of returns a recipient's deferral, or nil.
func (d *deferrals) of(recipient string) *deferral {
	if i := d.at(recipient); i >= 0 {
		return &d.all[i].deferral
	}
	return nil
}

// spelling returns a recipient as its deferral names it. Exim logs the address
// of a deferral in lower case, and that of an expiry as it came.
func (d *deferrals) spelling(recipient string) string {
	if d.at(recipient) >= 0 {
		return recipient
	}
	for i := range d.all {
		if strings.EqualFold(d.all[i].recipient, recipient) {
			return d.all[i].recipient
		}
	}
	return recipient
}

// set keeps a copy of a recipient's deferral.
func (d *deferrals) set(recipient string, to deferral) {
	i, n := d.at(recipient), len(d.all)
	if i >= 0 {
		d.all[i].keep(recipient, to)
		return
	}
	d.all = slices.Grow(d.all, 1)[:n+1]
	d.all[n].keep(recipient, to)
	switch {
	case d.index != nil:
		d.index[d.all[n].recipient] = n
	case n == few:
		d.index = make(map[string]int, 2*few)
		for i := range d.all {
			d.index[d.all[i].recipient] = i
		}
	}
}

// remove takes out the deferral of a recipient who has one.
func (d *deferrals) remove(recipient string) {
	i, last := d.at(recipient), len(d.all)-1
	if d.index != nil {
		d.index[d.all[last].recipient] = i
		delete(d.index, recipient)
	}
	d.all[i] = d.all[last]
	d.all[last] = deferred{}
	d.all = d.all[:last]
}

// clear takes out all, and keeps the memory of a few for those that come.
func (d *deferrals) clear() {
	clear(d.all)
	if cap(d.all) > few {
		d.all = nil
	}
	d.all, d.index = d.all[:0], nil
}

// sorted returns them in the order of the recipients.
func (d *deferrals) sorted() []deferred {
	return slices.SortedFunc(slices.Values(d.all), func(a, b deferred) int { return strings.Compare(a.recipient, b.recipient) })
}

func (d *deferrals) byRecipient() map[string]*deferral {
	if len(d.all) == 0 {
		return nil
	}
	by := make(map[string]*deferral, len(d.all))
	for i := range d.all {
		by[d.all[i].recipient] = &d.all[i].deferral
	}
	return by
}
