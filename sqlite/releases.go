package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Released is the effect of a release.
type Released struct {
	ID         int64 // of the release; 0 if it was only tried
	Failures   int   // that it covers
	Recipients int   // whose failures they are
	recipient.Changes
}

// Release ignores failures for all states, those that are stored and those that
// will be read later. With dry it only counts what would change.
func (e *Editor) Release(ctx context.Context, r recipient.Release, dry bool) (Released, error) {
	return e.mark(ctx, "releases", r, dry)
}

// Confirm makes the addresses bad that failures have made suspect, and those that
// will be read later. With dry it only counts what would change.
func (e *Editor) Confirm(ctx context.Context, r recipient.Release, dry bool) (Released, error) {
	return e.mark(ctx, "confirms", r, dry)
}

func (e *Editor) mark(ctx context.Context, table string, r recipient.Release, dry bool) (done Released, err error) {
	err = e.edit(ctx, func(tx *Tx) error {
		done = Released{}
		keys, failures, err := tx.covered(table, &r)
		if err != nil {
			return err
		}
		done.Failures, done.Recipients = failures, len(keys)
		if failures == 0 && !dry {
			return errors.New("no failure is so old and of that kind; bouncetail incidents lists what there was")
		}
		err = tx.conn.QueryRowContext(ctx, `
			INSERT INTO `+table+` (since, until, category, domain, reason, note, `+query.MadeAt[table]+`)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			RETURNING id`,
			r.Since, r.Until, sqldb.Text(r.Category), sqldb.Text(r.Domain), sqldb.Text(r.Reason), sqldb.Text(r.Note), tx.now).Scan(&done.ID)
		if err != nil {
			return err
		}
		if err := errors.Join(tx.recomputeAll(keys), tx.inputsErr); err != nil {
			return err
		}
		done.Changes = tx.changes
		if dry {
			done.ID = 0
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return done, err
}

// WithdrawRelease makes the failures count again that a release covered.
func (e *Editor) WithdrawRelease(ctx context.Context, id int64) (Released, error) {
	return e.withdraw(ctx, "releases", "release", id)
}

// WithdrawConfirm makes the addresses suspect again that a confirmation made bad.
func (e *Editor) WithdrawConfirm(ctx context.Context, id int64) (Released, error) {
	return e.withdraw(ctx, "confirms", "confirmation", id)
}

func (e *Editor) withdraw(ctx context.Context, table, what string, id int64) (done Released, err error) {
	err = e.edit(ctx, func(tx *Tx) error {
		found, err := query.Releases(ctx, tx.conn, table, fmt.Sprintf("WHERE withdrawn_at IS NULL AND id = %d", id))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no %s %d in force; bouncetail recipients %s lists them", what, id, table)
		}
		if _, err := tx.conn.ExecContext(ctx, "UPDATE "+table+" SET withdrawn_at = ? WHERE id = ?", tx.now, id); err != nil {
			return err
		}
		keys, failures, err := tx.covered(table, &found[0])
		if err != nil {
			return err
		}
		if err := errors.Join(tx.recomputeAll(keys), tx.inputsErr); err != nil {
			return err
		}
		done = Released{id, failures, len(keys), tx.changes}
		return nil
	})
	return done, err
}

// covered counts the failures that a release or a confirmation covers, and returns
// whose they are. A confirmation covers only those that suppress.
func (tx *Tx) covered(table string, r *recipient.Release) (keys []int64, failures int, err error) {
	err = sqldb.ScanAll(tx.ctx, tx.conn, `
		SELECT recipient_key, count(*)
		FROM bounces
		WHERE occurred_at >= ?1
		  AND occurred_at < ?2
		  AND (?3 = '' OR category = ?3)
		  AND (?4 = '' OR reason = ?4)
		  AND (?5 = '' OR domain = ?5)
		  AND (suppress OR ?6 <> 'confirms')
		GROUP BY +recipient_key`, // not by the index on it, which has all of them
		func(scan func(...any) error) error {
			var key int64
			var n int
			err := scan(&key, &n)
			keys, failures = append(keys, key), failures+n
			return err
		}, r.Since, r.Until, r.Category, r.Reason, r.Domain, table)
	return keys, failures, err
}
