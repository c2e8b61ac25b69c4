package privacy

import (
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Admission keeps what was deleted from being stored again when an old log is read
// again: what is older than the records that are kept, and what happened to
// forgotten addresses before they were forgotten.
type Admission struct {
	// Bounces and Successes are the times before which such records were deleted for
	// their age; the zero time if none were.
	Bounces, Successes time.Time
	Forgotten          map[int64]time.Time // when each was forgotten, by bounce.Address.Key
}

// Batch returns the part of a batch that is stored. The batch itself is not changed,
// because it may be saved again. Of reached it is not known whether they were counted
// before, but the address was reached. A nil scrub leaves the queue as it is.
func (a *Admission) Batch(b *bounce.Batch, scrub Scrubber) (admitted *bounce.Batch, reached []bounce.Success, err error) {
	if a.Bounces.IsZero() && a.Successes.IsZero() && len(a.Forgotten) == 0 {
		return b, nil, nil
	}
	part := *b
	part.Records = bounce.Records{}
	var r bounce.Record
	for i := range b.Records.Len() {
		if b.Records.Read(i, &r); a.record(&r) {
			part.Records.Add(&r)
		}
	}
	part.Successes = slices.DeleteFunc(slices.Clone(b.Successes), func(s bounce.Success) bool {
		at := time.UnixMilli(s.At)
		if at.Before(a.Bounces) || a.isForgotten(s.Key, at) {
			return true
		}
		if at.Before(a.Successes) {
			reached = append(reached, s)
			return true
		}
		return false
	})
	if len(a.Forgotten) > 0 && scrub != nil {
		part.Queue, err = a.queue(b.Queue, scrub)
	}
	return &part, reached, err
}

func (a *Admission) isForgotten(key int64, at time.Time) bool {
	until, known := a.Forgotten[key]
	return known && !at.After(until)
}

// logged is isForgotten for an address as it was logged. Its domain is assumed to be
// ASCII.
func (a *Admission) logged(address string, at time.Time) bool {
	return address != "" && a.isForgotten(bounce.Address{Normal: strings.ToLower(address)}.Key(), at)
}

// record reports whether a record is admitted, and removes the other forgotten
// addresses from it.
func (a *Admission) record(r *bounce.Record) bool {
	if r.At.Before(a.Bounces) || a.isForgotten(r.To.Key(), r.At) {
		return false
	}
	if a.logged(r.Sender, r.At) {
		r.Sender, r.HasSender = "", false
	}
	if a.logged(r.OriginalRecipient, r.At) {
		r.OriginalRecipient = ""
	}
	return true
}

// queue returns the entries without forgotten deferrals and senders.
func (a *Admission) queue(entries []bounce.QueueEntry, scrub Scrubber) ([]bounce.QueueEntry, error) {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		if e.Data == nil {
			continue
		}
		rest, _, err := scrub(e.Data, func(text string) (string, bool) {
			if a.logged(text, e.SeenAt) {
				return gone, true
			}
			return text, false
		})
		if err != nil {
			return nil, err
		}
		e.Data = rest
	}
	return entries, nil
}
