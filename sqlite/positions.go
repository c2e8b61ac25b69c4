package sqlite

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func (tx *Tx) savePositions(streams []bounce.StreamState) error {
	var kept, gone []*bounce.StreamState
	for i := range streams {
		if s := &streams[i]; s.Gone {
			gone = append(gone, s)
		} else {
			kept = append(kept, s)
		}
	}
	err := tx.each(len(kept), query.PositionColumns.Insert("INSERT OR REPLACE", "positions"),
		func(i int, p *params) { query.PositionColumns.Bind(p, kept[i]) }, nil)
	if err != nil {
		return err
	}
	return tx.each(len(gone), "DELETE FROM positions WHERE stream = ?", func(i int, p *params) { p.Add(gone[i].Stream) }, nil)
}
