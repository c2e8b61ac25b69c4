package feed

import (
	"context"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Decision is the last word by hand about an address.
type Decision struct {
	Key               int64
	Recipient, Domain string
	Decision          string // recipient.Allow or Block; empty if it was withdrawn
	Note              string
	At                string // stored stamp of the decision, or of its withdrawal
	Until             string // empty if it does not end by itself
}

// Decisions returns the last word about each address. The end of a decision by its time
// is none: it follows from the decision.
func (f *Feed) Decisions(ctx context.Context) (list []Decision, err error) {
	err = sqldb.ScanAll(ctx, f.db, `
		SELECT recipient_key, recipient, domain, decision, coalesce(note, ''), decided_at, coalesce(until, ''), coalesce(ended_at, '')
		FROM decisions
		WHERE id IN (SELECT max(id) FROM decisions GROUP BY recipient_key)`, func(scan func(...any) error) error {
		var d Decision
		var ended string
		err := scan(&d.Key, &d.Recipient, &d.Domain, &d.Decision, &d.Note, &d.At, &d.Until, &ended)
		if ended != "" && (d.Until == "" || ended < d.Until) {
			d.Decision, d.Note, d.At, d.Until = "", "", ended, ""
		}
		list = append(list, d)
		return err
	})
	return list, f.wrap(err)
}

// Release is a release, or a confirmation.
type Release struct {
	Confirms bool
	recipient.Release
}

// Releases returns all releases and confirmations.
func (f *Feed) Releases(ctx context.Context) (list []Release, err error) {
	for _, table := range []string{"releases", "confirms"} {
		found, err := query.Releases(ctx, f.db, table, "")
		if err != nil {
			return nil, f.wrap(err)
		}
		for _, r := range found {
			list = append(list, Release{table == "confirms", r})
		}
	}
	return list, nil
}

// Forgotten is an address that was forgotten.
type Forgotten struct {
	Key   int64
	Until string // stored stamp
}

// Forgotten returns the addresses that were forgotten.
func (f *Feed) Forgotten(ctx context.Context) (list []Forgotten, err error) {
	err = sqldb.ScanAll(ctx, f.db, "SELECT recipient_key, until FROM forgotten", func(scan func(...any) error) error {
		var one Forgotten
		err := scan(&one.Key, &one.Until)
		list = append(list, one)
		return err
	})
	return list, f.wrap(err)
}

// HandMark returns a text that is another one after every change of Decisions, Releases
// and Forgotten.
func (f *Feed) HandMark(ctx context.Context) (mark string, err error) {
	err = f.db.QueryRowContext(ctx, `
		SELECT (SELECT count(*) || ' ' || count(ended_at) || ' ' || coalesce(max(ended_at), '') FROM decisions) || ' ' ||
		  (SELECT count(*) || ' ' || count(withdrawn_at) FROM releases) || ' ' || (SELECT count(*) || ' ' || count(withdrawn_at) FROM confirms) || ' ' ||
		  (SELECT count(*) || ' ' || coalesce(max(until), '') FROM forgotten)`).Scan(&mark)
	return mark, f.wrap(err)
}
