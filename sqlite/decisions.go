package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// decisionsOn returns the decisions in force on the addresses of rows.
func (tx *Tx) decisionsOn(rows []recipientRow) (map[int64]*recipient.Decision, error) {
	var some bool // nearly always none, and then no address costs a look-up
	if err := tx.conn.QueryRowContext(tx.ctx, "SELECT EXISTS (SELECT 1 FROM decisions WHERE ended_at IS NULL)").Scan(&some); err != nil || !some {
		return nil, err
	}
	keys := make([]int64, len(rows))
	for i := range rows {
		keys[i] = rows[i].key
	}
	found := make(map[int64]*recipient.Decision)
	err := sqldb.ScanAll(tx.ctx, tx.conn, "SELECT "+query.DecisionColumns+" FROM json_each(?) k CROSS JOIN decisions d ON d.recipient_key = k.value WHERE d.ended_at IS NULL",
		func(scan func(...any) error) error {
			d, key, err := query.ScanDecision(scan)
			found[key] = d
			return err
		}, sqldb.NumberList(keys))
	return found, err
}

// Editor makes the changes that an admin makes by hand, each in one short
// transaction. The daemon may write at the same time.
type Editor struct{ store Store }

// OpenEditor opens a database that must exist and have the schema of this
// version.
func OpenEditor(ctx context.Context, path string) (*Editor, error) {
	file, err := dbfile.OpenToEdit(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Editor{Store{file: file, db: file.DB}}, nil
}

// Close closes the database.
func (e *Editor) Close() error { return errors.Join(e.store.statements.Close(), e.store.db.Close()) }

// edit runs do whole or not at all, under the policy that the database follows.
func (e *Editor) edit(ctx context.Context, do func(*Tx) error) error {
	err := e.store.transaction(ctx, func(tx *Tx) error {
		var err error
		if tx.policy, err = query.AppliedPolicy(ctx, tx.conn); err != nil {
			return err
		}
		return do(tx)
	})
	switch sqldb.CodeOf(err) {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fmt.Errorf("database %s is kept busy by an import, a rebuild or a new policy; try again when that is done: %w", e.store.file.Path, err)
	case sqlite3.ErrReadonly:
		return dbfile.Denied(err) // which names the database
	}
	return err
}

// Decide decides about addresses by hand, until a time or, if that is zero, until the
// decision is withdrawn. An earlier decision on the same address ends.
func (e *Editor) Decide(ctx context.Context, decision string, on []bounce.Address, note string, until time.Time) (changes recipient.Changes, err error) {
	end := ""
	if !until.IsZero() {
		end = bounce.Stamp(until)
	}
	err = e.edit(ctx, func(tx *Tx) error {
		if err := tx.knowLocals(on); err != nil {
			return err
		}
		if _, err := tx.endDecisions(on); err != nil {
			return err
		}
		on = distinct(on)
		err := tx.each(len(on), "INSERT INTO decisions (recipient, domain, decision, note, decided_at, until, recipient_key) VALUES (?, ?, ?, ?, ?, ?, ?)",
			func(i int, p *params) {
				for _, v := range []driver.Value{on[i].Normal, on[i].Domain, decision, sqldb.Text(note), tx.now, sqldb.Text(end), on[i].Key()} {
					p.Add(v)
				}
			}, nil)
		if err != nil {
			return err
		}
		changes, err = tx.reconsider(on)
		return err
	})
	return changes, err
}

// Withdraw withdraws the decisions on addresses. It is an error if there is none on
// one of them.
func (e *Editor) Withdraw(ctx context.Context, on []bounce.Address) (changes recipient.Changes, err error) {
	err = e.edit(ctx, func(tx *Tx) error {
		on = distinct(on)
		ended, err := tx.endDecisions(on)
		if err != nil {
			return err
		}
		for _, to := range on {
			if !ended[to.Key()] {
				return fmt.Errorf("there is no decision on %s; bouncetail recipients decisions lists them", to.Normal)
			}
		}
		changes, err = tx.reconsider(on)
		return err
	})
	return changes, err
}

func distinct(on []bounce.Address) []bounce.Address {
	seen := make(map[string]struct{}, len(on))
	kept := make([]bounce.Address, 0, len(on))
	for _, to := range on {
		if _, again := seen[to.Normal]; !again {
			seen[to.Normal] = struct{}{}
			kept = append(kept, to)
		}
	}
	return kept
}

// knowLocals refuses addresses without a domain that no log has named.
func (tx *Tx) knowLocals(on []bounce.Address) error {
	for _, to := range on {
		if to.Domain != "" {
			continue
		}
		var known bool
		if err := tx.conn.QueryRowContext(tx.ctx, "SELECT EXISTS (SELECT 1 FROM recipients WHERE recipient = ?)", to.Normal).Scan(&known); err != nil {
			return err
		}
		if !known {
			return BadAddress{to.Normal, "has no @, and no local user of that name is known; write the whole address"}
		}
	}
	return nil
}

// BadAddress is an address that cannot be decided on.
type BadAddress struct{ Address, Why string }

func (e BadAddress) Error() string { return fmt.Sprintf("%q %s", e.Address, e.Why) }

// endDecisions ends the decisions in force on the addresses, and returns which had
// one.
func (tx *Tx) endDecisions(on []bounce.Address) (ended map[int64]bool, err error) {
	keys := make([]int64, len(on))
	for i, to := range on {
		keys[i] = to.Key()
	}
	ended = make(map[int64]bool)
	err = sqldb.ScanAll(tx.ctx, tx.conn, "UPDATE decisions SET ended_at = ? WHERE ended_at IS NULL AND recipient_key IN (SELECT value FROM json_each(?)) RETURNING recipient_key",
		func(scan func(...any) error) error {
			var key int64
			err := scan(&key)
			ended[key] = true
			return err
		}, tx.now, sqldb.NumberList(keys))
	return ended, err
}

// reconsider brings the rows of addresses up to date, and makes those that are
// missing. From then on their deliveries are noted in their rows.
func (tx *Tx) reconsider(on []bounce.Address) (recipient.Changes, error) {
	tx.resetTouched(len(on))
	for _, to := range on {
		tx.touch(to.Key()).to = to
	}
	if err := tx.saveDeliveries(); err != nil {
		return tx.changes, err
	}
	err := tx.refreshTouched()
	return tx.changes, err
}

// Released is the effect of a release.
type Released struct {
	ID         int64 // of the release; 0 if it was only tried
	Failures   int   // that it covers
	Recipients int   // whose failures they are
	recipient.Changes
}

var errTried = errors.New("only tried")

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
		err = tx.conn.QueryRowContext(ctx, "INSERT INTO "+table+" (since, until, category, domain, reason, note, "+query.MadeAt[table]+") VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
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
			return errTried
		}
		return nil
	})
	if errors.Is(err, errTried) {
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
		WHERE occurred_at >= ?1 AND occurred_at < ?2 AND (?3 = '' OR category = ?3) AND (?4 = '' OR reason = ?4) AND (?5 = '' OR domain = ?5)
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
