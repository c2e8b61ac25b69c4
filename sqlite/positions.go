package sqlite

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
)

// The columns of positions.
var positionColumns = columns[bounce.StreamState]{
	required("stream", func(s *bounce.StreamState) any { return &s.Stream }),
	required("source", func(s *bounce.StreamState) any { return &s.Source }),
	required("path", func(s *bounce.StreamState) any { return &s.Path }),
	required("device", func(s *bounce.StreamState) any { return &s.Device }),
	required("inode", func(s *bounce.StreamState) any { return &s.Inode }),
	required("offset", func(s *bounce.StreamState) any { return &s.Offset }),
	required("head", func(s *bounce.StreamState) any { return &s.Head }),
	required("tail", func(s *bounce.StreamState) any { return &s.Tail }),
	required("cursor", func(s *bounce.StreamState) any { return &s.Cursor }),
	required("closed", func(s *bounce.StreamState) any { return &s.Closed }),
	required("parser", func(s *bounce.StreamState) any { return &s.Parser.Data }),
	required("anchor", func(s *bounce.StreamState) any { return &s.Parser.Anchor }),
	required("updated_at", func(s *bounce.StreamState) any { return &s.UpdatedAt }),
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
	err := tx.each(len(kept), positionColumns.insert("INSERT OR REPLACE", "positions"),
		func(i int, p *params) { positionColumns.bind(p, kept[i]) }, nil)
	if err != nil {
		return err
	}
	return tx.each(len(gone), "DELETE FROM positions WHERE stream = ?", func(i int, p *params) { p.add(gone[i].Stream) }, nil)
}

func loadPositions(ctx context.Context, db querier) ([]bounce.StreamState, error) {
	var streams []bounce.StreamState
	err := scanAll(ctx, db, "SELECT "+positionColumns.names("")+" FROM positions ORDER BY stream",
		func(scan func(...any) error) error {
			var s bounce.StreamState
			err := positionColumns.scan(&s, scan)
			streams = append(streams, s)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return streams, nil
}
