package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// FollowedName is the name in meta of a database that a daemon has followed logs
// into. A database that was only imported into does not have it.
const FollowedName = "followed"

// RejudgedName is the name in meta of how often stored records were judged again and got
// other verdicts. A database without it never was.
const RejudgedName = "rejudged"

// Followed reports whether a daemon has ever followed logs into the database.
func (r *Reader) Followed(ctx context.Context) (followed bool, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM meta WHERE name = ?)", FollowedName).Scan(&followed)
	return followed, err
}

// ReadStream is a stream of log that was read.
type ReadStream struct {
	Parser []byte    // the state of its parser
	ReadAt time.Time // when its last line was read
}

// ReadStreams returns the streams of log that were read.
func (r *Reader) ReadStreams(ctx context.Context) (streams []ReadStream, err error) {
	err = sqldb.ScanAll(ctx, r.db, "SELECT parser, updated_at FROM positions", func(scan func(...any) error) error {
		var s ReadStream
		var at string
		err := scan(&s.Parser, &at)
		s.ReadAt = bounce.ParseStamp(at)
		streams = append(streams, s)
		return err
	})
	return streams, err
}
