package sqlite

import (
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// The kinds of records that have a horizon.
const (
	bouncesHorizon   = "bounces"
	successesHorizon = "successes"
	countsHorizon    = "daily_counts"
)

// admit returns the part of a batch that is stored, see privacy.Admission.
func (tx *Tx) admit(b *bounce.Batch) (*bounce.Batch, error) {
	if tx.admission == nil {
		if err := tx.loadAdmission(); err != nil {
			return nil, err
		}
	}
	admitted, reached, err := tx.admission.Batch(b, tx.store.ScrubQueue)
	for _, s := range reached {
		tx.deliveries = append(tx.deliveries, packed.Reached(s.Key, s.At))
	}
	return admitted, err
}

func (tx *Tx) loadAdmission() error {
	since := make(map[string]time.Time)
	err := sqldb.ScanAll(tx.ctx, tx.conn, "SELECT kind, since FROM horizons", func(scan func(...any) error) error {
		var kind, stamp string
		err := scan(&kind, &stamp)
		since[kind] = bounce.ParseStamp(stamp)
		return err
	})
	if err != nil {
		return err
	}
	if counts, pruned := since[countsHorizon]; pruned {
		tx.countedSince = bounce.EpochDay(counts.UnixMilli())
	}
	a := &privacy.Admission{Bounces: since[bouncesHorizon], Successes: since[successesHorizon], Forgotten: make(map[int64]time.Time)}
	tx.admission = a
	return sqldb.ScanAll(tx.ctx, tx.conn, "SELECT recipient_key, until FROM forgotten", func(scan func(...any) error) error {
		var key int64
		var until string
		err := scan(&key, &until)
		a.Forgotten[key] = bounce.ParseStamp(until)
		return err
	})
}
