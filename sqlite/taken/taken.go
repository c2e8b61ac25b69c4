// Package taken writes into a database what was decided by hand on other hosts of a
// fleet. What is written keeps the time of the other host, by which it is recognized and
// not sent again.
package taken

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Decisions stores decisions, unless there is a later one, or the address was forgotten
// since. It returns the addresses whose decision has changed.
func Decisions(ctx context.Context, db sqldb.Querier, decisions []query.LastDecision) (changed []bounce.Address, err error) {
	keys := make([]int64, len(decisions))
	for i := range decisions {
		keys[i] = decisions[i].Key
	}
	list, err := query.LastDecisions(ctx, db, "WHERE recipient_key IN (SELECT value FROM json_each(?))", sqldb.NumberList(keys))
	if err != nil {
		return nil, err
	}
	known := query.ByKey(list)
	forgotten, err := query.ForgottenUntil(ctx, db)
	if err != nil {
		return nil, err
	}
	for i := range decisions {
		d := &decisions[i]
		if d.At <= forgotten[d.Key] || !d.Overrules(known[d.Key]) {
			continue
		}
		known[d.Key] = d
		if _, err := db.ExecContext(ctx, `
			UPDATE decisions
			SET ended_at = ?
			WHERE ended_at IS NULL AND recipient_key = ?`, d.At, d.Key); err != nil {
			return nil, err
		}
		if d.Decision != "" {
			_, err := db.ExecContext(ctx, query.InsertDecision,
				d.Recipient, d.Domain, d.Decision, sqldb.Text(d.Note), d.At, sqldb.Text(d.Until), d.Key)
			if err != nil {
				return nil, err
			}
		}
		changed = append(changed, bounce.Address{Normal: d.Recipient, Domain: d.Domain})
	}
	return changed, nil
}

// Marks stores releases and confirmations, or that they were withdrawn. It returns those
// that changed something.
func Marks(ctx context.Context, db sqldb.Querier, marks []query.Mark) (changed []query.Mark, err error) {
	if len(marks) == 0 {
		return nil, nil
	}
	list, err := query.Marks(ctx, db)
	if err != nil {
		return nil, err
	}
	known := query.ByIdentity(list)
	for i := range marks {
		m := &marks[i]
		here := known[m.Identity()]
		if !m.Overrules(here) {
			continue
		}
		if here == nil {
			_, err = db.ExecContext(ctx, `
				INSERT INTO `+m.Table()+` (since, until, category, domain, reason, note, `+query.MadeAt[m.Table()]+`)
				VALUES (?, ?, ?, ?, ?, ?, ?)`,
				m.Since, m.Until, sqldb.Text(m.Category), sqldb.Text(m.Domain), sqldb.Text(m.Reason), sqldb.Text(m.Note), m.ReleasedAt)
		} else {
			_, err = db.ExecContext(ctx, "UPDATE "+m.Table()+" SET withdrawn_at = ? WHERE id = ?", *m.WithdrawnAt, here.ID)
		}
		if err != nil {
			return nil, err
		}
		known[m.Identity()] = m
		changed = append(changed, *m)
	}
	return changed, nil
}
