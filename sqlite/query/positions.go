package query

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// PositionColumns are the columns of positions.
var PositionColumns = sqldb.Columns[bounce.StreamState]{
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
	sqldb.Required("anchor", func(s *bounce.StreamState) any { return (*Time)(&s.Parser.Anchor) }),
	sqldb.Required("updated_at", func(s *bounce.StreamState) any { return (*Time)(&s.UpdatedAt) }),
}

// Positions returns how far each stream was read, in the order of their names.
func Positions(ctx context.Context, db sqldb.Querier) ([]bounce.StreamState, error) {
	var streams []bounce.StreamState
	err := sqldb.ScanAll(ctx, db, `
		SELECT `+PositionColumns.Names("")+`
		FROM positions
		ORDER BY stream`,
		func(scan func(...any) error) error {
			var s bounce.StreamState
			err := PositionColumns.Scan(&s, scan)
			streams = append(streams, s)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return streams, nil
}
