package sqlite

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// The columns of positions.
var positionColumns = sqldb.Columns[bounce.StreamState]{
	sqldb.Required("stream", func(s *bounce.StreamState) any { return &s.Stream }),
	sqldb.Required("source", func(s *bounce.StreamState) any { return &s.Source }),
	sqldb.Required("path", func(s *bounce.StreamState) any { return &s.Path }),
	sqldb.Required("device", func(s *bounce.StreamState) any { return &s.Device }),
	sqldb.Required("inode", func(s *bounce.StreamState) any { return &s.Inode }),
	sqldb.Required("offset", func(s *bounce.StreamState) any { return &s.Offset }),
	sqldb.Required("head", func(s *bounce.StreamState) any { return &s.Head }),
	sqldb.Required("tail", func(s *bounce.StreamState) any { return &s.Tail }),
	sqldb.Required("cursor", func(s *bounce.StreamState) any { return &s.Cursor }),
	sqldb.Required("closed", func(s *bounce.StreamState) any { return &s.Closed }),
	sqldb.Required("parser", func(s *bounce.StreamState) any { return &s.Parser.Data }),
	sqldb.Required("anchor", func(s *bounce.StreamState) any { return (*query.Time)(&s.Parser.Anchor) }),
	sqldb.Required("updated_at", func(s *bounce.StreamState) any { return (*query.Time)(&s.UpdatedAt) }),
}

func (tx *Tx) savePositions(streams []bounce.StreamState) error {
	var kept, gone []*bounce.StreamState
	for i := range streams {
		if s := &streams[i]; s.Gone {
			gone = append(gone, s)
		} else {
			kept = append(kept, s)
		}
	}
	err := tx.each(len(kept), positionColumns.Insert("INSERT OR REPLACE", "positions"),
		func(i int, p *params) { positionColumns.Bind(p, kept[i]) }, nil)
	if err != nil {
		return err
	}
	return tx.each(len(gone), "DELETE FROM positions WHERE stream = ?", func(i int, p *params) { p.Add(gone[i].Stream) }, nil)
}

func loadPositions(ctx context.Context, db sqldb.Querier) ([]bounce.StreamState, error) {
	var streams []bounce.StreamState
	err := sqldb.ScanAll(ctx, db, "SELECT "+positionColumns.Names("")+" FROM positions ORDER BY stream",
		func(scan func(...any) error) error {
			var s bounce.StreamState
			err := positionColumns.Scan(&s, scan)
			streams = append(streams, s)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return streams, nil
}
