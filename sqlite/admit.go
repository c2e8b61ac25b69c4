package sqlite

import (
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// The kinds of records that have a horizon.
const (
	bouncesHorizon   = "bounces"
	successesHorizon = "successes"
	countsHorizon    = "daily_counts"
)

// admission is what must not come back: what is older than the records reach,
// and what happened to forgotten addresses before they were forgotten.
type admission struct {
	horizons  map[string]time.Time // the zero time where nothing was deleted for its age
	forgotten map[int64]time.Time  // by recipient_key
}

// admit leaves out of a batch what must not come back. The batch itself stays
// as it is, because it may be saved again.
func (tx *Tx) admit(b *bounce.Batch) (*bounce.Batch, error) {
	a := tx.admission
	if a == nil {
		var err error
		if a, err = tx.loadAdmission(); err != nil {
			return nil, err
		}
		tx.admission = a
	}
	if since, pruned := a.horizons[countsHorizon]; pruned {
		tx.countedSince = bounce.EpochDay(since.UnixMilli())
	}
	if len(a.horizons) == 0 && len(a.forgotten) == 0 {
		return b, nil
	}
	admitted := *b
	admitted.Records = bounce.Records{}
	var r bounce.Record
	for i := range b.Records.Len() {
		if b.Records.Read(i, &r); a.record(&r) {
			admitted.Records.Add(&r)
		}
	}
	admitted.Successes = slices.DeleteFunc(slices.Clone(b.Successes), func(s bounce.Success) bool {
		at := time.UnixMilli(s.At)
		if at.Before(a.horizons[bouncesHorizon]) || a.isForgotten(s.Key, at) {
			return true
		}
		if at.Before(a.horizons[successesHorizon]) {
			// Whether it was counted cannot be known any more; that the address
			// was reached can be noted any number of times.
			tx.deliveries = append(tx.deliveries, delivery{uint64(s.Key), s.At << 1})
			return true
		}
		return false
	})
	if len(a.forgotten) > 0 && tx.store.ScrubQueue != nil {
		var err error
		if admitted.Queue, err = a.queue(b.Queue, tx.store.ScrubQueue); err != nil {
			return nil, err
		}
	}
	return &admitted, nil
}

func (tx *Tx) loadAdmission() (*admission, error) {
	a := &admission{make(map[string]time.Time), make(map[int64]time.Time)}
	err := sqldb.ScanAll(tx.ctx, tx.conn, "SELECT kind, since FROM horizons", func(scan func(...any) error) error {
		var kind, since string
		err := scan(&kind, &since)
		a.horizons[kind] = bounce.ParseStamp(since)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, sqldb.ScanAll(tx.ctx, tx.conn, "SELECT recipient_key, until FROM forgotten", func(scan func(...any) error) error {
		var key int64
		var until string
		err := scan(&key, &until)
		a.forgotten[key] = bounce.ParseStamp(until)
		return err
	})
}

func (a *admission) isForgotten(key int64, at time.Time) bool {
	until, known := a.forgotten[key]
	return known && !at.After(until)
}

// logged is isForgotten of an address as logged, whose domain is taken to be
// ASCII.
func (a *admission) logged(address string, at time.Time) bool {
	return address != "" && a.isForgotten(bounce.Address{Normal: strings.ToLower(address)}.Key(), at)
}

// record reports whether a record is admitted, and takes out of it who is
// named beside the recipient.
func (a *admission) record(r *bounce.Record) bool {
	if r.At.Before(a.horizons[bouncesHorizon]) || a.isForgotten(r.To.Key(), r.At) {
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

// queue returns the entries without the deferrals and senders that are
// forgotten.
func (a *admission) queue(entries []bounce.QueueEntry, scrub Scrubber) ([]bounce.QueueEntry, error) {
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
