package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Forgetting says whom to forget.
type Forgetting struct {
	People []bounce.Address
	// Spellings are other ways to write the addresses in texts.
	Spellings []string
	Queue     privacy.Scrubber // of bounce.QueueEntry.Data
	Parser    privacy.Scrubber // of bounce.StreamState.Parser
	// LeaveNothing also deletes the hashes by which older log lines are recognized and
	// not stored again.
	LeaveNothing bool
	DryRun       bool
	Now          time.Time
}

var errDryRun = errors.New("dry run")

// Forget removes every trace of people from the database and its files. Rows about
// them are deleted, and the addresses are removed from other rows. It returns what was
// found, by place. A dry run changes nothing. If it
// returns that with an error, the rows are gone, but not their remains in the files.
func (s *Store) Forget(ctx context.Context, f *Forgetting) (found []query.Count, err error) {
	f.Now = f.Now.UTC()
	end, err := s.erase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	err = s.transaction(ctx, func(tx *Tx) error {
		var err error
		if found, err = tx.forget(f); err != nil {
			return err
		}
		if f.DryRun {
			return errDryRun
		}
		return nil
	})
	if f.DryRun && errors.Is(err, errDryRun) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	return found, s.sweepFiles(ctx, f)
}

func (tx *Tx) forget(f *Forgetting) ([]query.Count, error) {
	keys := make([]int64, len(f.People))
	for i, p := range f.People {
		keys[i] = p.Key()
	}
	if err := tx.freezeCrowdsOf(keys); err != nil {
		return nil, fmt.Errorf("crowds: %w", err)
	}
	found := []query.Count{}
	count := func(what string, n int) {
		if n > 0 {
			found = append(found, query.Count{Name: what, N: n})
		}
	}
	if err := tx.uncountStates(keys); err != nil {
		return nil, err
	}
	for _, table := range slices.Sorted(maps.Keys(privacy.Places)) {
		if !privacy.Places[table].Holds(privacy.Owned) {
			continue
		}
		result, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM "+table+" WHERE recipient_key IN (SELECT value FROM json_each(?))", sqldb.NumberList(keys))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		count(table+": rows deleted", int(n))
	}
	n, err := tx.forgetDeliveries(keys)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	count("deliveries: entries deleted", n)
	e := &privacy.Erasure{Traces: privacy.NewTraces(f.People, f.Spellings), Queue: f.Queue, Parser: f.Parser}
	for _, table := range slices.Sorted(maps.Keys(privacy.Places)) {
		changed, deleted, err := tx.scrubTable(table, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		count(table+": rows deleted that quoted it", deleted)
		count(table+": rows it was taken out of", changed)
	}
	if f.LeaveNothing {
		_, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM forgotten WHERE recipient_key IN (SELECT value FROM json_each(?))", sqldb.NumberList(keys))
		return found, err
	}
	return found, tx.each(len(keys), `
		INSERT INTO forgotten (recipient_key, until) VALUES (?, ?)
		ON CONFLICT (recipient_key) DO UPDATE SET until = max(until, excluded.until)`,
		func(i int, p *params) {
			p.Add(keys[i])
			p.Add(bounce.Stamp(f.Now))
		}, nil)
}

// forgetDeliveries removes the entries of the keys from their buckets.
func (tx *Tx) forgetDeliveries(keys []int64) (n int, err error) {
	going := make(map[uint64]struct{}, len(keys))
	for _, key := range keys {
		going[uint64(key)] = struct{}{}
	}
	return tx.rewriteDeliveries(packed.DeliveryBucketsOf(keys), func(d packed.Delivery) (int64, bool) {
		_, goes := going[d.Key]
		return d.Last, !goes
	})
}

// scrubTable removes the people from all rows of a table.
func (tx *Tx) scrubTable(table string, e *privacy.Erasure) (changed, deleted int, err error) {
	columns := privacy.Places[table].Scrubbed()
	if len(columns) == 0 {
		return 0, 0, nil
	}
	var key []string
	err = sqldb.ScanAll(tx.ctx, tx.conn, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		key = append(key, name)
		return err
	}, table)
	if err != nil {
		return 0, 0, err
	}
	type row struct {
		key, values []any
		drop        bool
	}
	var rows []row // those that change
	err = sqldb.ScanAll(tx.ctx, tx.conn, "SELECT "+strings.Join(append(slices.Clone(columns), key...), ", ")+" FROM "+table, func(scan func(...any) error) error {
		texts, keys := make([]*string, len(columns)), make([]any, len(key))
		into := make([]any, 0, len(columns)+len(key))
		for i := range texts {
			into = append(into, &texts[i])
		}
		for i := range keys {
			into = append(into, &keys[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		r := row{key: keys, values: make([]any, len(columns))}
		touched := false
		for i, column := range columns {
			if texts[i] == nil {
				continue
			}
			value, hit, drop, err := e.Value(privacy.Places[table][column], *texts[i])
			if err != nil {
				return err
			}
			r.values[i], r.drop, touched = value, r.drop || drop, touched || hit
		}
		if touched {
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	where := " WHERE " + strings.Join(key, " = ? AND ") + " = ?"
	for _, r := range rows {
		if r.drop {
			deleted++
			_, err = tx.conn.ExecContext(tx.ctx, "DELETE FROM "+table+where, r.key...)
		} else {
			changed++
			_, err = tx.conn.ExecContext(tx.ctx, "UPDATE "+table+" SET "+strings.Join(columns, " = ?, ")+" = ?"+where, append(r.values, r.key...)...)
		}
		if err != nil {
			return changed, deleted, err
		}
	}
	return changed, deleted, nil
}

// sweepFiles removes the bytes from the files. Deleted rows are overwritten already,
// but SQLite leaves copies behind when it moves rows within the file. So the file is
// searched, and written again if it holds any.
func (s *Store) sweepFiles(ctx context.Context, f *Forgetting) error {
	if err := s.emptyWAL(ctx); err != nil {
		return err
	}
	t := privacy.NewTraces(f.People, f.Spellings)
	// A search for many addresses takes longer than writing the file, and the name of
	// a local user may be a word that is anywhere.
	if len(f.People) <= 20 && !t.HasLocalUsers() {
		left, err := t.FoundIn(io.NewSectionReader(s.file, 0, math.MaxInt64))
		if err != nil || !left {
			return err
		}
	}
	if _, err := s.db.ExecContext(ctx, "VACUUM"); err != nil {
		return fmt.Errorf("database %s: the rows are gone, but writing the file again without their remains: %w; run bouncetail forget again", s.file.Path, err)
	}
	return s.emptyWAL(ctx)
}

func (s *Store) emptyWAL(ctx context.Context) error {
	var busy, pages, moved int
	if err := s.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	if busy != 0 {
		return fmt.Errorf("database %s: the rows are gone, but another program is reading, and the file %s-wal still holds them; end it, and run bouncetail forget again", s.file.Path, s.file.Path)
	}
	return nil
}
