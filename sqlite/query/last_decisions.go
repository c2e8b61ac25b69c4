package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// LastDecision is the last decision by hand about an address, or its withdrawal.
type LastDecision struct {
	Key               int64
	Recipient, Domain string
	Decision          string // recipient.Allow or Block; empty if it was withdrawn
	Note              string
	At                string // stored stamp of the decision, or of its withdrawal
	Until             string // empty if it does not end by itself
}

// Overrules reports whether a decision of another host replaces the last one here; known
// is nil if there is none. The later one counts.
func (d *LastDecision) Overrules(known *LastDecision) bool {
	switch {
	case known == nil:
		return d.Decision != ""
	case d.At != known.At:
		return d.At > known.At && (d.Decision != "" || known.Decision != "")
	case d.Decision == "" && d.Until != "": // its time is over, which the host notices by itself
		return false
	}
	return d.Decision != known.Decision || d.Until != known.Until
}

// LastDecisions returns the last decision about each address, or about those of a clause
// WHERE. That a decision ends by its time is no withdrawal: who knows the decision knows
// its end.
//
// Each decision is later than the one before: if a host has taken over a decision of another
// host whose clock is ahead, the next decision here follows it by a millisecond.
func LastDecisions(ctx context.Context, db sqldb.Querier, where string, args ...any) (list []LastDecision, err error) {
	var before, withdrawn string // when the decision of the row before was made, and withdrawn
	err = sqldb.ScanAll(ctx, db, `
		SELECT recipient_key, recipient, domain, decision, coalesce(note, ''), decided_at,
		    coalesce(until, ''), coalesce(ended_at, '')
		FROM decisions `+where+`
		ORDER BY recipient_key, id`, func(scan func(...any) error) error {
		var d LastDecision
		var decided, ended string
		if err := scan(&d.Key, &d.Recipient, &d.Domain, &d.Decision, &d.Note, &decided, &d.Until, &ended); err != nil {
			return err
		}
		if n := len(list); n > 0 && list[n-1].Key == d.Key {
			list = list[:n-1]
			if withdrawn != "" && withdrawn != decided { // else it was replaced by this one
				before = laterThan(before, withdrawn)
			}
		} else {
			before = ""
		}
		before, withdrawn = laterThan(before, decided), ""
		d.At = before
		if ended != "" && (d.Until == "" || ended < d.Until) {
			withdrawn = ended
			d.Decision, d.Note, d.Until, d.At = "", "", "", laterThan(before, ended)
		}
		list = append(list, d)
		return nil
	}, args...)
	return list, err
}

// ByKey returns decisions by their address.
func ByKey(decisions []LastDecision) map[int64]*LastDecision {
	known := make(map[int64]*LastDecision, len(decisions))
	for i := range decisions {
		known[decisions[i].Key] = &decisions[i]
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
