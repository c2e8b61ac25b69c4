package query

import (
	"context"
	"strings"

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
}

// Browse returns the recipients that were chosen.
func (r *Reader) Browse(ctx context.Context, b Browse) (list []bounce.Recipient, err error) {
	where, args := []string{"r.recipient > ?"}, []any{b.After}
	for _, c := range []struct{ condition, value string }{
		{"r.state = ?", b.State}, {"r.domain = ?", b.Domain}, {"r.reason = ?", b.Reason},
	} {
		if c.value != "" {
			where, args = append(where, c.condition), append(args, c.value)
		}
	}
	if b.Match != "" {
		where, args = append(where, "r.recipient GLOB ?"), append(args, globOf(b.Match))
	}
	err = sqldb.ScanAll(ctx, r.db, selectShown+" WHERE "+strings.Join(where, " AND ")+" ORDER BY r.recipient LIMIT ?", func(scan func(...any) error) error {
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
// first. It looks at most at limit failures of any provider. The provider "other" is
// that of failures at none.
func (r *Reader) ProviderReplies(ctx context.Context, provider, since string, limit int, each func(*ProviderReply)) error {
	return sqldb.ScanAll(ctx, r.db, `
		SELECT occurred_at, category, reason, rule, coalesce(reply, '')
		FROM (SELECT * FROM bounces WHERE occurred_at >= ? ORDER BY occurred_at DESC LIMIT ?)
		WHERE coalesce(provider, 'other') = ?`,
		func(scan func(...any) error) error {
			var p ProviderReply
			if err := scan(&p.At, (*string)(&p.Category), (*string)(&p.Reason), &p.Rule, &p.Reply); err != nil {
				return err
			}
			each(&p)
			return nil
		}, since, limit, provider)
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
	err = sqldb.ScanAll(ctx, r.db, "SELECT source, path, offset, updated_at FROM positions ORDER BY updated_at DESC, stream DESC LIMIT ?", func(scan func(...any) error) error {
		var s Source
		err := scan(&s.Setting, &s.Path, &s.Bytes, &s.ReadAt)
		list = append(list, s)
		return err
	}, limit)
	return list, err
}
