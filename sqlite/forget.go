package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/sqlite/scrub"
)

// Forgetting says whom to forget.
type Forgetting struct {
	People []bounce.Address
	// Until is set if other hosts of a fleet forgot the addresses: it says when, as stored
	// stamps by key. What is later stays. People are those of them that are known by name.
	Until map[int64]string
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

// errDryRun rolls back a transaction that only finds out what it would change.
var errDryRun = errors.New("dry run")

// Forget removes every trace of people from the database and its files. Rows about them
// are deleted, and the addresses are removed from other rows. It returns what was found,
// by place. A dry run changes nothing. If it returns that with an error, the rows are
// gone, but not their remains in the files.
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
	if len(f.People) == 0 {
		return found, nil
	}
	// A search for many addresses takes longer than writing the file.
	var search *privacy.Traces
	if len(f.People) <= 20 {
		search = privacy.NewTraces(f.People, f.Spellings)
	}
	return found, scrub.Files(ctx, s.db, s.file.Path, s.file, search)
}

func (tx *Tx) forget(f *Forgetting) ([]query.Count, error) {
	until, all := maps.Clone(f.Until), f.Until == nil
	if all {
		until = make(map[int64]string, len(f.People))
		for _, p := range f.People {
			until[p.Key()] = bounce.Stamp(f.Now)
		}
	}
	keys := slices.Sorted(maps.Keys(until))
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
		n, err := scrub.Rows(tx.ctx, tx.conn, table, until, all)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		count(table+": rows deleted", n)
	}
	n, err := tx.forgetDeliveries(keys, f.Until)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	count("deliveries: entries deleted", n)
	if !all { // what is later makes rows again
		if err := errors.Join(tx.readInputs(), tx.restoreRows(keys), tx.inputsErr); err != nil {
			return nil, err
		}
	}
	e := &privacy.Erasure{Traces: privacy.NewTraces(f.People, f.Spellings), Queue: f.Queue, Parser: f.Parser}
	scrubbed := slices.Sorted(maps.Keys(privacy.Places))
	if len(f.People) == 0 {
		scrubbed = nil
	}
	for _, table := range scrubbed {
		changed, deleted, err := scrub.Table(tx.ctx, tx.conn, table, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		count(table+": rows deleted that quoted it", deleted)
		count(table+": rows it was taken out of", changed)
	}
	if f.LeaveNothing {
		return found, tx.deleteRows("forgotten", "recipient_key", keys)
	}
	return found, tx.each(len(keys), `
		INSERT INTO forgotten (recipient_key, until) VALUES (?, ?)
		ON CONFLICT (recipient_key) DO UPDATE SET until = max(until, excluded.until)`,
		func(i int, p *params) {
			p.Add(keys[i])
			p.Add(until[keys[i]])
		}, nil)
}

// forgetDeliveries removes the entries of the keys from their buckets, but for those that
// are later than until, if that is not nil.
func (tx *Tx) forgetDeliveries(keys []int64, until map[int64]string) (n int, err error) {
	going := make(map[uint64]int64, len(keys))
	for _, key := range keys {
		going[uint64(key)] = math.MaxInt64
		if until != nil {
			going[uint64(key)] = bounce.ParseStamp(until[key]).UnixMilli()
		}
	}
	return tx.rewriteDeliveries(packed.DeliveryBucketsOf(keys), func(d packed.Delivery) (int64, bool) {
		switch last, goes := going[d.Key]; {
		case !goes:
			return d.Last, true
		case d.At() <= last:
			return d.Last, false
		}
		return d.Last &^ packed.HasFailed, true
	})
}
