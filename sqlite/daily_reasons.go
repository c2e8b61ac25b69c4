package sqlite

import (
	"maps"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/daily"
	"github.com/bouncetail/bouncetail/tally"
)

// saveReasons adds what was counted, but not of days whose counts were deleted for
// their age.
func (tx *Tx) saveReasons() error {
	maps.DeleteFunc(tx.tally.Reasons, func(k tally.ReasonKey, n int64) bool { return k.Day < tx.countedSince || n == 0 })
	return daily.SaveReasons(tx.each, tx.tally.Reasons)
}

// readCountedSince reads from which day on there are counts.
func (tx *Tx) readCountedSince() error {
	return sqldb.ScanAll(tx.ctx, tx.conn, "SELECT since FROM horizons WHERE kind = ?", func(scan func(...any) error) error {
		var since string
		err := scan(&since)
		tx.countedSince = bounce.EpochDay(bounce.ParseStamp(since).UnixMilli())
		return err
	}, countsHorizon)
}
