package sqlite

import (
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// The kinds of records that have a horizon.
const (
	bouncesHorizon   = "bounces"
	successesHorizon = "successes"
	countsHorizon    = "daily_counts"
)

// admit leaves out of a batch what must not come back: what is older than the
// records reach, and what happened to forgotten addresses before they were
// forgotten. The batch itself stays as it is, because it may be saved again.
func (w *writer) admit(b *bounce.Batch) (*bounce.Batch, error) {
	horizons, err := w.horizons()
	if err != nil {
		return nil, err
	}
	w.countedSince = horizons[countsHorizon].Format(time.DateOnly)
	forgotten := make(map[int64]time.Time)
	err = scanAll(w.ctx, w.tx, "SELECT recipient_key, until FROM forgotten", func(scan func(...any) error) error {
		var key int64
		var until string
		err := scan(&key, &until)
		forgotten[key] = parseStamp(until)
		return err
	})
	if err != nil || len(horizons) == 0 && len(forgotten) == 0 {
		return b, err
	}
	isForgotten := func(key int64, at time.Time) bool {
		until, known := forgotten[key]
		return known && !at.After(until)
	}
	admitted := *b
	admitted.Records = make([]bounce.Record, 0, len(b.Records))
	for i := range b.Records {
		r := b.Records[i]
		if r.At.Before(horizons[bouncesHorizon]) || len(forgotten) > 0 && isForgotten(r.To.Key(), r.At) {
			continue
		}
		if len(forgotten) > 0 {
			if isForgotten(keyOf(r.Sender), r.At) {
				r.Sender, r.HasSender = "", false
			}
			if isForgotten(keyOf(r.OriginalRecipient), r.At) {
				r.OriginalRecipient = ""
			}
		}
		admitted.Records = append(admitted.Records, r)
	}
	admitted.Successes = slices.DeleteFunc(slices.Clone(b.Successes), func(s bounce.Success) bool {
		if s.At.Before(horizons[bouncesHorizon]) || isForgotten(s.Key, s.At) {
			return true
		}
		if s.At.Before(horizons[successesHorizon]) {
			// Whether it was counted cannot be known any more; that the address
			// was reached can be noted any number of times.
			w.deliveries = append(w.deliveries, delivery{uint64(s.Key), s.At.UnixMilli() << 1})
			return true
		}
		return false
	})
	if len(forgotten) > 0 && w.scrubQueue != nil {
		admitted.Queue = slices.Clone(b.Queue)
		for i := range admitted.Queue {
			e := &admitted.Queue[i]
			if e.Data == nil {
				continue
			}
			rest, _, err := w.scrubQueue(e.Data, func(address string) (string, bool) {
				return gone, isForgotten(keyOf(address), e.SeenAt)
			})
			if err != nil {
				return nil, err
			}
			e.Data = rest
		}
	}
	return &admitted, nil
}

// keyOf is the key of an address as logged, whose domain is taken to be ASCII.
func keyOf(logged string) int64 {
	return bounce.Address{Normal: strings.ToLower(logged)}.Key()
}

// dropOldCounts leaves the days alone whose counts were deleted: no part of
// them comes back.
func (w *writer) dropOldCounts(*bounce.Batch) error {
	for k := range w.counts {
		if k.day < w.countedSince {
			delete(w.counts, k)
		}
	}
	return nil
}

// horizons returns how far back each kind of record reaches; the zero time
// where nothing was deleted for its age.
func (w *writer) horizons() (map[string]time.Time, error) {
	horizons := make(map[string]time.Time)
	err := scanAll(w.ctx, w.tx, "SELECT kind, since FROM horizons", func(scan func(...any) error) error {
		var kind, since string
		err := scan(&kind, &since)
		horizons[kind] = parseStamp(since)
		return err
	})
	return horizons, err
}
