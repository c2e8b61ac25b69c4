package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// Word is the last word by hand about an address.
type Word struct {
	Key               int64
	Recipient, Domain string
	Decision          string // recipient.Allow or Block; empty if it was withdrawn
	Note              string
	At                string // stored stamp of the decision, or of its withdrawal
	Until             string // empty if it does not end by itself
}

// Overrules reports whether a word of another host takes the place of the last one here;
// known is nil if there is none. The later one counts.
func (w *Word) Overrules(known *Word) bool {
	switch {
	case known == nil:
		return w.Decision != ""
	case w.At != known.At:
		return w.At > known.At && (w.Decision != "" || known.Decision != "")
	case w.Decision == "" && w.Until != "": // its time is over, which the host notices by itself
		return false
	}
	return w.Decision != known.Decision || w.Until != known.Until
}

// Words returns the last word about each address, or about those of a clause WHERE. The
// end of a decision by its time is none: who knows the decision knows its end.
//
// Each word is later than the one before: if a host has taken over a decision of another
// host whose clock is ahead, the next decision here follows it by a millisecond.
func Words(ctx context.Context, db sqldb.Querier, where string, args ...any) (list []Word, err error) {
	var before, withdrawn string // when the decision of the row before was made, and withdrawn
	err = sqldb.ScanAll(ctx, db, `
		SELECT recipient_key, recipient, domain, decision, coalesce(note, ''), decided_at, coalesce(until, ''), coalesce(ended_at, '')
		FROM decisions `+where+`
		ORDER BY recipient_key, id`, func(scan func(...any) error) error {
		var w Word
		var decided, ended string
		if err := scan(&w.Key, &w.Recipient, &w.Domain, &w.Decision, &w.Note, &decided, &w.Until, &ended); err != nil {
			return err
		}
		if n := len(list); n > 0 && list[n-1].Key == w.Key {
			list = list[:n-1]
			if withdrawn != "" && withdrawn != decided { // else it was replaced by this one
				before = laterThan(before, withdrawn)
			}
		} else {
			before = ""
		}
		before, withdrawn = laterThan(before, decided), ""
		w.At = before
		if ended != "" && (w.Until == "" || ended < w.Until) {
			withdrawn = ended
			w.Decision, w.Note, w.Until, w.At = "", "", "", laterThan(before, ended)
		}
		list = append(list, w)
		return nil
	}, args...)
	return list, err
}

// ByKey returns words by their address.
func ByKey(words []Word) map[int64]*Word {
	known := make(map[int64]*Word, len(words))
	for i := range words {
		known[words[i].Key] = &words[i]
	}
	return known
}

// laterThan returns a stamp, or the next one after another if it is not later.
func laterThan(before, stamp string) string {
	if stamp > before {
		return stamp
	}
	return bounce.Stamp(bounce.ParseStamp(before).Add(time.Millisecond))
}

// Mark is a release, or a confirmation.
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
	err = sqldb.ScanAll(ctx, r.db, "SELECT recipient, domain FROM recipients"+of+" UNION SELECT recipient, domain FROM bounces"+of+" UNION SELECT recipient, domain FROM decisions"+of,
		func(scan func(...any) error) error {
			var to bounce.Address
			err := scan(&to.Normal, &to.Domain)
			list = append(list, to)
			return err
		}, sqldb.NumberList(keys))
	return list, err
}
