package query

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// DecisionColumns are the columns of decisions, which ScanDecision reads.
const DecisionColumns = "recipient, decision, coalesce(note, ''), decided_at, until, ended_at, d.recipient_key"

// InsertDecision is the statement that stores a decision.
const InsertDecision = `
	INSERT INTO decisions (recipient, domain, decision, note, decided_at, until, recipient_key)
	VALUES (?, ?, ?, ?, ?, ?, ?)`

// ScanDecision also returns the number of the address.
func ScanDecision(scan func(...any) error) (d *recipient.Decision, key int64, err error) {
	d = &recipient.Decision{}
	err = scan(&d.Recipient, &d.Decision, &d.Note, &d.DecidedAt, &d.Until, &d.EndedAt, &key)
	return d, key, err
}

// Decisions calls each for every decision in force, or for every one that there ever
// was, the last first.
func (r *Reader) Decisions(ctx context.Context, all bool, each func(*recipient.Decision) error) error {
	return sqldb.ScanAll(ctx, r.db, `
		SELECT `+DecisionColumns+`
		FROM decisions d
		WHERE ? OR ended_at IS NULL
		ORDER BY decided_at DESC, id DESC`, func(scan func(...any) error) error {
		d, _, err := ScanDecision(scan)
		if err != nil {
			return err
		}
		return each(d)
	}, all)
}

// DecisionsOn returns every decision on an address, the first first.
func (r *Reader) DecisionsOn(ctx context.Context, to bounce.Address) ([]recipient.Decision, error) {
	found := []recipient.Decision{}
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT `+DecisionColumns+`
		FROM decisions d
		WHERE recipient_key = ?
		ORDER BY id`, func(scan func(...any) error) error {
		d, _, err := ScanDecision(scan)
		found = append(found, *d)
		return err
	}, to.Key())
	return found, err
}

// Releases returns rows of releases or confirms, the first first.
func Releases(ctx context.Context, db sqldb.Querier, table, where string) ([]recipient.Release, error) {
	found := []recipient.Release{}
	err := sqldb.ScanAll(ctx, db, `
		SELECT id, since, until, coalesce(category, ''), coalesce(domain, ''), coalesce(reason, ''),
		    coalesce(note, ''), `+MadeAt[table]+`, withdrawn_at
		FROM `+table+` `+where+`
		ORDER BY id`, func(scan func(...any) error) error {
		var r recipient.Release
		err := scan(&r.ID, &r.Since, &r.Until, &r.Category, &r.Domain, &r.Reason, &r.Note, &r.ReleasedAt, &r.WithdrawnAt)
		found = append(found, r)
		return err
	})
	return found, err
}

// MadeAt is the column with the time of a release or a confirmation.
var MadeAt = map[string]string{"releases": "released_at", "confirms": "confirmed_at"}

// Releases returns all releases, the first first.
func (r *Reader) Releases(ctx context.Context) ([]recipient.Release, error) {
	return Releases(ctx, r.db, "releases", "")
}

// Confirms returns all confirmations, the first first.
func (r *Reader) Confirms(ctx context.Context) ([]recipient.Release, error) {
	return Releases(ctx, r.db, "confirms", "")
}

// Crowds returns the crowds that ended at or after a stamp, the first first.
func (r *Reader) Crowds(ctx context.Context, since string) ([]recipient.Crowd, error) {
	return Crowds(ctx, r.db, "WHERE ended_at >= ?", since)
}
