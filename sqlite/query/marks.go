package query

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// Mark is a release or a confirmation: a decision about the failures of some time.
type Mark struct {
	Confirms bool
	recipient.Release
}

// Table is the table that it is stored in.
func (m *Mark) Table() string {
	if m.Confirms {
		return "confirms"
	}
	return "releases"
}

// MarkID identifies a mark on all hosts of a fleet: on each it has another number.
type MarkID struct {
	Confirms                                       bool
	Since, Until, Category, Domain, Reason, MadeAt string
}

// Identity returns what identifies the mark.
func (m *Mark) Identity() MarkID {
	return MarkID{m.Confirms, m.Since, m.Until, m.Category, m.Domain, m.Reason, m.ReleasedAt}
}

// ByIdentity returns marks by their identity.
func ByIdentity(marks []Mark) map[MarkID]*Mark {
	known := make(map[MarkID]*Mark, len(marks))
	for i := range marks {
		known[marks[i].Identity()] = &marks[i]
	}
	return known
}

// Overrules reports whether a mark of another host changes what is stored here; known is
// nil if it is not. A withdrawal is final.
func (m *Mark) Overrules(known *Mark) bool {
	if known == nil {
		return m.WithdrawnAt == nil
	}
	return known.WithdrawnAt == nil && m.WithdrawnAt != nil
}

// Marks returns all releases and confirmations.
func Marks(ctx context.Context, db sqldb.Querier) (list []Mark, err error) {
	for _, confirms := range []bool{false, true} {
		found, err := Releases(ctx, db, (&Mark{Confirms: confirms}).Table(), "")
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			list = append(list, Mark{confirms, r})
		}
	}
	return list, nil
}

// ForgottenUntil returns until when which addresses were forgotten, as stored stamps.
func ForgottenUntil(ctx context.Context, db sqldb.Querier) (map[int64]string, error) {
	until := make(map[int64]string)
	err := sqldb.ScanAll(ctx, db, "SELECT recipient_key, until FROM forgotten", func(scan func(...any) error) error {
		var key int64
		var stamp string
		err := scan(&key, &stamp)
		until[key] = stamp
		return err
	})
	return until, err
}

// NamesOf returns the addresses with some keys that the database knows by name.
func (r *Reader) NamesOf(ctx context.Context, keys []int64) (list []bounce.Address, err error) {
	list = []bounce.Address{}
	const of = " WHERE recipient_key IN (SELECT value FROM json_each(?1))"
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT recipient, domain FROM recipients`+of+`
		UNION
		SELECT recipient, domain FROM bounces`+of+`
		UNION
		SELECT recipient, domain FROM decisions`+of,
		func(scan func(...any) error) error {
			var to bounce.Address
			err := scan(&to.Normal, &to.Domain)
			list = append(list, to)
			return err
		}, sqldb.NumberList(keys))
	return list, err
}
