package query

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Browse chooses recipients in the order of their spelling, which an index has. Empty
// fields choose all.
type Browse struct {
	State, Domain, Reason string
	Match                 string // a part of the address; * and ? stand for any characters
	After                 string // only those that follow this address
	Limit                 int
	Time                  time.Duration // how long addresses are looked through
}

// Browse returns the recipients that were chosen. If that takes too long, it stops, and
// returns up to which address it has looked, else an empty text.
func (r *Reader) Browse(ctx context.Context, b Browse) (list []bounce.Recipient, looked string, err error) {
	if b.Domain != "" || b.State == string(bounce.StateSuspect) {
		list, err = r.browse(ctx, b, "") // an index has the suspect ones, and all names, see endsIn
		return list, "", err
	}
	for begun := time.Now(); ; {
		// The address that ends the next part; past the last one, none does.
		end := ""
		err := r.db.QueryRowContext(ctx, `
			SELECT recipient
			FROM recipients
			WHERE recipient > ?
			ORDER BY recipient
			LIMIT 1 OFFSET ?`, b.After, 2*chunk-1).Scan(&end)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, "", err
		}
		part, err := r.browse(ctx, b, end)
		list = append(list, part...)
		b.Limit -= len(part)
		if err != nil || b.Limit <= 0 || end == "" {
			return list, "", err
		}
		if b.After = end; time.Since(begun) > b.Time {
			return list, end, nil
		}
	}
}

// browse returns the recipients that were chosen, up to an address if that is not empty.
func (r *Reader) browse(ctx context.Context, b Browse, end string) (list []bounce.Recipient, err error) {
	where, args := []string{"r.recipient > ?"}, []any{b.After}
	for _, c := range []struct{ condition, value string }{
		{"r.recipient <= ?", end}, {"r.state = ?", b.State}, {"r.domain = ?", b.Domain}, {"r.reason = ?", b.Reason},
	} {
		if c.value != "" {
			where, args = append(where, c.condition), append(args, c.value)
		}
	}
	if b.Domain != "" && !r.IsFleet() {
		where, args = append(where, "r.recipient GLOB ?"), append(args, endsIn(b.Domain))
	}
	if b.State == string(bounce.StateSuspect) {
		where = append(where, "r.state = 'suspect'") // a parameter does not choose the index
	}
	switch {
	case b.Match != "" && r.IsFleet():
		where, args = append(where, "r.recipient LIKE ?"), append(args, LikeOf(b.Match))
	case b.Match != "":
		where, args = append(where, "r.recipient GLOB ?"), append(args, globOf(b.Match))
	}
	err = sqldb.ScanAll(ctx, r.db, selectShown+`
		WHERE `+strings.Join(where, " AND ")+`
		ORDER BY r.recipient
		LIMIT ?`, func(scan func(...any) error) error {
		var row bounce.Recipient
		err := scanShown(&row, scan)
		list = append(list, row)
		return err
	}, append(args, b.Limit)...)
	return list, err
}

// ProviderReply is a reply of a provider.
type ProviderReply struct {
	At       string // of the last one, as stored
	Category bounce.Category
	Reason   bounce.Reason
	Rule     string
	Reply    string
}

// ProviderReplies calls each for the failures at a provider since a time, the last
// first. It looks at failures of any provider until the bound is reached. The provider
// "other" is that of failures at none.
func (r *Reader) ProviderReplies(ctx context.Context, provider, since, until string, b Bound, each func(*ProviderReply)) error {
	_, _, err := Recent(ctx, r.db, since, until, b, func(from, to string) (int, error) {
		return chunk, sqldb.ScanAll(ctx, r.db, `
			SELECT occurred_at, category, reason, rule, coalesce(reply, '')
			FROM bounces
			WHERE occurred_at >= ? AND occurred_at < ? AND coalesce(provider, 'other') = ?
			ORDER BY occurred_at DESC`,
			func(scan func(...any) error) error {
				var p ProviderReply
				if err := scan(&p.At, (*string)(&p.Category), (*string)(&p.Reason), &p.Rule, &p.Reply); err != nil {
					return err
				}
				each(&p)
				return nil
			}, from, to, provider)
	})
	return err
}

// Source is a stream of log that is read.
type Source struct {
	Setting string // it belongs to
	Path    string
	Bytes   int64  // that were read
	ReadAt  string // when it last grew
}

// Sources returns the streams that grew last, at most limit.
func (r *Reader) Sources(ctx context.Context, limit int) (list []Source, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT source, path, offset, updated_at
		FROM positions
		ORDER BY updated_at DESC, stream DESC
		LIMIT ?`, func(scan func(...any) error) error {
		var s Source
		err := scan(&s.Setting, &s.Path, &s.Bytes, &s.ReadAt)
		list = append(list, s)
		return err
	}, limit)
	return list, err
}
