package query

import (
	"context"
	"math"
	"time"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// The names in meta of what is known here of how far a fleet has the failures of this host.
const (
	sentName   = "fleet_sent"    // the number of the last failure that was sent
	sentAtName = "fleet_sent_at" // when the fleet was last reached, in Unix seconds
	missedName = "fleet_missed"  // how many failures were deleted before they were sent
	waitsName  = "fleet_waits"   // since when failures are kept for a fleet that was never reached
)

// Sent is how far a fleet has the failures of this host, as its sender noted last.
type Sent struct {
	Failure int64     // the number of the last one that it has
	At      time.Time // when it was last reached; zero if it never was
	Missed  int64     // failures that were deleted here before they were sent

	waits time.Time // since when failures are kept, if it was never reached; zero if they are not
}

// ReadSent returns how far a fleet has the failures of this host.
func ReadSent(ctx context.Context, db sqldb.Querier) (s Sent, err error) {
	err = sqldb.ScanAll(ctx, db, "SELECT name, value FROM meta WHERE name IN (?, ?, ?, ?)", func(scan func(...any) error) error {
		var name string
		var value int64
		err := scan(&name, &value)
		switch name {
		case sentName:
			s.Failure = value
		case sentAtName:
			s.At = time.Unix(value, 0).UTC()
		case missedName:
			s.Missed = value
		case waitsName:
			s.waits = time.Unix(value, 0)
		}
		return err
	}, sentName, sentAtName, missedName, waitsName)
	return s, err
}

// AddMissed is the statement that counts failures that were deleted before they were sent.
const AddMissed = `
	INSERT INTO meta (name, value)
	VALUES ('` + missedName + `', ?)
	ON CONFLICT (name) DO UPDATE SET value = value + excluded.value`

// NoteSent is the statement that notes two numbers of meta.
const NoteSent = `
	INSERT INTO meta (name, value)
	VALUES ('` + sentName + `', ?), ('` + sentAtName + `', ?)
	ON CONFLICT (name) DO UPDATE SET value = excluded.value`

// Sent returns how far a fleet has the failures of this host, and how many it has not.
func (r *Reader) Sent(ctx context.Context) (s Sent, behind int64, err error) {
	if s, err = ReadSent(ctx, r.db); err != nil {
		return s, 0, err
	}
	err = r.db.QueryRowContext(ctx, "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'bounces'), 0)").Scan(&behind)
	return s, max(0, behind-s.Failure), err
}

// KeptForFleet returns the number of the last failure that a fleet has, and the one up to
// which failures may be deleted: the same, unless the fleet was away for longer than
// maxLag. The time until a fleet is reached for the first time begins with the first call
// that may write.
func KeptForFleet(ctx context.Context, db sqldb.Querier, maxLag time.Duration, now time.Time, readOnly bool) (sent, kept int64, err error) {
	s, err := ReadSent(ctx, db)
	since := s.At
	if since.IsZero() {
		since = s.waits
	}
	if since.IsZero() && err == nil {
		if since = now; !readOnly {
			_, err = db.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?)", waitsName, now.Unix())
		}
	}
	if now.Sub(since) < maxLag {
		return s.Failure, s.Failure, err
	}
	return s.Failure, math.MaxInt64, err
}

// CountUnsent returns how many failures of addresses follow the last one that was sent.
func CountUnsent(ctx context.Context, db sqldb.Querier, keys []int64, sent int64) (n int, err error) {
	err = db.QueryRowContext(ctx, `
		SELECT count(*)
		FROM bounces
		WHERE recipient_key IN (SELECT value FROM json_each(?)) AND id > ?`, sqldb.NumberList(keys), sent).Scan(&n)
	return n, err
}
