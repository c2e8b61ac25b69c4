package feed

import (
	"context"

	"github.com/bouncetail/bouncetail/sqlite/query"
)

// The decisions by hand.
type (
	Decision = query.LastDecision
	Release  = query.Mark // or a confirmation
)

// Decisions returns the last decision about each address.
func (f *Feed) Decisions(ctx context.Context) (list []Decision, err error) {
	list, err = query.LastDecisions(ctx, f.db, "")
	return list, f.wrap(err)
}

// Releases returns all releases and confirmations.
func (f *Feed) Releases(ctx context.Context) (list []Release, err error) {
	list, err = query.Marks(ctx, f.db)
	return list, f.wrap(err)
}

// Forgotten is an address that was forgotten.
type Forgotten struct {
	Key   int64
	Until string // stored stamp
}

// ForgottenUntil returns until when which addresses were forgotten, as stored stamps.
func (f *Feed) ForgottenUntil(ctx context.Context) (map[int64]string, error) {
	until, err := query.ForgottenUntil(ctx, f.db)
	return until, f.wrap(err)
}

// DecisionsVersion returns a text that is another one after every change of Decisions,
// Releases and Forgotten.
func (f *Feed) DecisionsVersion(ctx context.Context) (version string, err error) {
	err = f.db.QueryRowContext(ctx, `
		SELECT (SELECT count(*) || ' ' || count(ended_at) || ' ' || coalesce(max(ended_at), '') FROM decisions)
		    || ' ' || (SELECT count(*) || ' ' || count(withdrawn_at) FROM releases)
		    || ' ' || (SELECT count(*) || ' ' || count(withdrawn_at) FROM confirms)
		    || ' ' || (SELECT count(*) || ' ' || coalesce(max(until), '') FROM forgotten)`).Scan(&version)
	return version, f.wrap(err)
}
