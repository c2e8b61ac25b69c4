package query

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Bound is how much may be read of something that has no end. A page must be ready soon,
// and a long read keeps the write-ahead log from being reset.
type Bound struct {
	Failures int           // at most about so many; 0 is no limit
	Time     time.Duration // a read that took longer is the last one; 0 is no limit
}

// chunk is how many rows are read between two looks at the clock: some 4 ms, or 100 if
// they must be read from the disk.
const chunk = 2_000

// Recent calls read for parts of a span of failures, the last part first, until the bound
// is reached. A part is from one stamp, which is included, to another. It returns the
// number of failures that were read, and the start of the first part, which is that of
// the span if all of it was read.
func Recent(
	ctx context.Context, db sqldb.Querier, from, to string, b Bound, read func(from, to string) (failures int, err error),
) (failures int, since string, err error) {
	begun := time.Now()
	for to > from && (b.Failures == 0 || failures < b.Failures) && (b.Time == 0 || failures == 0 || time.Since(begun) < b.Time) {
		part := from
		err := db.QueryRowContext(ctx, `
			SELECT occurred_at
			FROM bounces
			WHERE occurred_at >= ? AND occurred_at < ?
			ORDER BY occurred_at DESC
			LIMIT 1 OFFSET ?`, from, to, chunk-1).Scan(&part)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return failures, to, err
		}
		n, err := read(part, to)
		if err != nil {
			return failures, to, err
		}
		failures, to = failures+n, part
	}
	return failures, to, nil
}

// FailureSum is the number of failures of a sender for a reason.
type FailureSum struct {
	Sender   *string // nil if it is not known
	Category bounce.Category
	Reason   bounce.Reason
	Failures int
	Suppress int // of these, about an address that is bad
}

// LastFailures calls each for sums of the failures of a span, the last first, until the
// bound is reached. An empty provider is all of them. The same sum may come several
// times. It returns how many failures it read, at any provider, and whether these were
// all.
func (r *Reader) LastFailures(
	ctx context.Context, provider string, from, to time.Time, b Bound, each func(*FailureSum),
) (failures int, all bool, err error) {
	failures, since, err := Recent(ctx, r.db, bounce.Stamp(from), bounce.Stamp(to), b, func(from, to string) (n int, err error) {
		err = sqldb.ScanAll(ctx, r.db, `
			SELECT sender, category, reason, count(*), sum(suppress)
			FROM bounces
			WHERE occurred_at >= ?1 AND occurred_at < ?2 AND (?3 = '' OR coalesce(provider, 'other') = ?3)
			GROUP BY 1, 2, 3`,
			func(scan func(...any) error) error {
				var s FailureSum
				if err := scan(&s.Sender, (*string)(&s.Category), (*string)(&s.Reason), &s.Failures, &s.Suppress); err != nil {
					return err
				}
				n += s.Failures
				each(&s)
				return nil
			}, from, to, provider)
		if provider != "" {
			n = chunk
		}
		return n, err
	})
	return failures, since <= bounce.Stamp(from), err
}

// errEnough ends a read that reached its bound.
var errEnough = errors.New("enough")

// LastUnclassified calls each for the replies of a span that no rule matches, the last
// first, until the bound is reached. It reports whether these were all.
func (r *Reader) LastUnclassified(ctx context.Context, from, to time.Time, b Bound, each func(reply string)) (all bool, err error) {
	begun, read, most := time.Now(), 0, math.MaxInt32
	if b.Failures > 0 {
		most = b.Failures + 1
	}
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT coalesce(reply, '')
		FROM bounces
		WHERE category = 'unclassified' AND occurred_at >= ? AND occurred_at < ?
		ORDER BY occurred_at DESC
		LIMIT ?`,
		func(scan func(...any) error) error {
			if b.Failures > 0 && read == b.Failures || b.Time > 0 && read%100 == 99 && time.Since(begun) > b.Time {
				return errEnough
			}
			read++
			var reply string
			err := scan(&reply)
			each(reply)
			return err
		}, bounce.Stamp(from), bounce.Stamp(to), most)
	if errors.Is(err, errEnough) {
		return false, nil
	}
	return true, err
}
