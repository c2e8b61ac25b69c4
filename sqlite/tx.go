package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/counters"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/tally"
)

// Tx is a transaction that takes batches: Begin, any number of Add, then Commit
// or Rollback. Nothing else can be done with the store in between. After an error
// of Add, only Rollback makes sense.
//
// Add inserts records and counts successes. What follows from all of them
// together (last deliveries, recipients, counts) is written by Commit, with the
// queue memory and the positions of the batches, so that many batches in one
// transaction cost less.
type Tx struct {
	scratch
	statements *sqldb.Statements
	store      *Store
	ctx        context.Context //nolint:containedctx // of this one transaction
	conn       *sql.Conn
	policy     *bounce.Policy // in force
	now        string         // stored stamp
	adds       int

	inputs    recipient.Inputs // see readInputs
	inputsErr error            // of recipient.Inputs.Accepted
	refusals  []recipient.Refusal
	// lastRefusal is the last that was stored before, in Unix milliseconds.
	lastRefusal int64
	noRefusals  bool                   // none was stored before
	finder      *recipient.CrowdFinder // see crowdFinder
	stale       bool                   // the rows of recipients are to be made again from the records
	replay      map[int64]bool         // addresses whose histories must be replayed
	admission   *privacy.Admission     // see admit
	changes     recipient.Changes
	isNew       int
	problems    *tally.Problems // see CountProblems; nil if they are not counted
	counting    *tally.Problems
	eachNew     func(id, key int64, r *bounce.Record) // see EachNew; may be nil
	eachFirst   func(key int64)                       // see EachFirst; may be nil
	counts      map[dayDomain]*outcomes
	// countedSince is the first day that has counts, if earlier ones were deleted.
	countedSince int
	tally        *tally.Tally
	runs         [][]packed.Delivery // the new deliveries, each run sorted by key
	// nobodyReached is set if deliveries was empty before saveDeliveries.
	nobodyReached bool
	touched

	queue     []bounce.QueueEntry
	positions []bounce.StreamState
	gaps      []bounce.Gap
	unparsed  []bounce.Unparsed
}

// scratch holds buffers reused between the batches of a transaction.
type scratch struct {
	deliveries   []packed.Delivery // the new successes of a batch
	newSuccesses []packed.Success
	sorter       packed.Sorter
}

// Begin begins a transaction, which must be ended. Errors of the database are of
// type *Error.
func (s *Store) Begin(ctx context.Context) (*Tx, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	// Not a sql.Tx, which starts a goroutine for every query: waking it up costs
	// more than a small batch does.
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, s.file.Wrap(err)
	}
	s.file.MakeRoom(ctx, conn)
	if err := s.file.Begin(ctx, conn); err != nil {
		return nil, s.file.Wrap(errors.Join(err, conn.Close()))
	}
	tx := &Tx{
		statements: &s.statements, store: s, ctx: ctx, conn: conn, policy: s.policy.Load(), now: bounce.Stamp(s.now()),
		counts: make(map[dayDomain]*outcomes),
	}
	if s.named == nil {
		s.named = make(tally.NamedDomains)
	}
	tx.tally = tally.New(bounce.ParseStamp(tx.now).UnixMilli(), s.named)
	if s.lastCommit > 0 {
		tx.tally.Metrics.Observe(bounce.MetricCommit, s.lastCommit)
		s.lastCommit = 0
	}
	tx.resetTouched(0)
	return tx, nil
}

// CountProblems has the sender's problems among the new failures counted in p, once the
// transaction is committed.
func (tx *Tx) CountProblems(p *tally.Problems) { tx.problems, tx.counting = &tally.Problems{}, p }

// EachNew has a function called with each new failure that is added, its id and the key
// of its recipient. The record is valid during the call.
func (tx *Tx) EachNew(do func(id, key int64, r *bounce.Record)) { tx.eachNew = do }

// EachFirst has Commit call a function with the key of each recipient that fails for the
// first time.
func (tx *Tx) EachFirst(do func(key int64)) { tx.eachFirst = do }

// Add takes a batch into the transaction and returns how many of its records are
// new. The batch is not changed and may be added to another transaction later.
func (tx *Tx) Add(b *bounce.Batch) (isNew int, err error) {
	tx.adds++
	before := tx.isNew
	if tx.adds == 1 {
		if err := tx.readLastRefusal(); err != nil {
			return 0, tx.store.file.Wrap(err)
		}
	}
	admitted, err := tx.admit(b)
	if err != nil {
		return 0, tx.store.file.Wrap(fmt.Errorf("what was deleted: %w", err))
	}
	if err := tx.nameDomains(admitted); err != nil {
		return 0, tx.store.file.Wrap(fmt.Errorf("domains: %w", err))
	}
	if err := tx.addSuccesses(admitted); err != nil {
		return 0, tx.store.file.Wrap(fmt.Errorf("successes: %w", err))
	}
	if err := tx.insertBounces(admitted); err != nil {
		return 0, tx.store.file.Wrap(fmt.Errorf("bounces: %w", err))
	}
	unparsed, err := tx.newUnparsed(admitted.Unparsed)
	if err != nil {
		return 0, tx.store.file.Wrap(fmt.Errorf("unparsed lines: %w", err))
	}
	tx.tally.Reading(admitted)
	tx.tally.Unparsed(unparsed)
	tx.queue = append(tx.queue, admitted.Queue...)
	tx.positions = append(tx.positions, admitted.Positions...)
	tx.gaps = append(tx.gaps, admitted.Gaps...)
	tx.unparsed = append(tx.unparsed, unparsed...)
	return tx.isNew - before, nil
}

// Commit saves what was added, whole or not at all. It ends the transaction also
// if it fails.
func (tx *Tx) Commit() error {
	tx.store.file.SyncAhead()
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"daily counts", tx.saveCounts},
		{"provider windows", func() error { return counters.SaveWindows(tx.each, tx.tally.Windows) }},
		{"deliveries", tx.saveDeliveries},
		{"recipients", tx.refreshAll},
		{"queue", func() error { return tx.saveQueue(tx.queue) }},
		{"positions", func() error { return tx.savePositions(tx.positions) }},
		{"gaps", func() error { return tx.saveGaps(tx.gaps) }},
		{"unparsed lines", func() error { return tx.saveUnparsed(tx.unparsed) }},
	} {
		if err := step.do(); err != nil {
			return errors.Join(tx.store.file.Wrap(fmt.Errorf("%s: %w", step.what, err)), tx.Rollback())
		}
	}
	return tx.end()
}

// end commits the transaction, or rolls it back.
func (tx *Tx) end() error {
	if err := errors.Join(tx.saveReasons(), tx.saveRowCounts(), counters.SaveMetrics(tx.each, tx.tally.Finish())); err != nil {
		return errors.Join(tx.store.file.Wrap(err), tx.Rollback())
	}
	begun := time.Now()
	if _, err := tx.conn.ExecContext(tx.ctx, "COMMIT"); err != nil {
		return errors.Join(tx.store.file.Wrap(err), tx.Rollback())
	}
	tx.store.lastCommit = time.Since(begun)
	if tx.counting != nil {
		tx.counting.Add(tx.problems)
	}
	if tx.adds > 0 {
		tx.store.file.CopyLog(tx.ctx, tx.conn)
	}
	return tx.conn.Close()
}

// Rollback drops what was added.
func (tx *Tx) Rollback() error {
	// If SQLite has rolled back by itself, the error says that there is nothing to
	// roll back.
	_, _ = tx.conn.ExecContext(context.WithoutCancel(tx.ctx), "ROLLBACK")
	tx.store.forgetRefusals()
	tx.store.sizes = nil
	if tx.adds > 1 {
		tx.store.incomplete = true
	}
	return tx.conn.Close()
}

// transaction runs do in a transaction without batches.
func (s *Store) transaction(ctx context.Context, do func(*Tx) error) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(fmt.Errorf("database %s: %w", s.file.Path, err), tx.Rollback())
	}
	s.forgetRefusals() // they may have been deleted or judged again
	return tx.end()
}

// Load returns where reading continues and what the queue remembered.
func (s *Store) Load(ctx context.Context) ([]bounce.StreamState, []bounce.QueueEntry, error) {
	positions, err := query.Positions(ctx, s.db)
	if err != nil {
		return nil, nil, err
	}
	queue, err := query.QueueEntries(ctx, s.db)
	return positions, queue, err
}

// params are the parameters of one execution of a statement.
type params = sqldb.Params

// deleteRows deletes the rows of a table in which a column has one of some numbers.
func (tx *Tx) deleteRows(table, column string, numbers []int64) error {
	_, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM "+table+" WHERE "+column+" IN (SELECT value FROM json_each(?))",
		sqldb.NumberList(numbers))
	return err
}

// each runs a statement for n rows, see sqldb.Statements.
func (tx *Tx) each(n int, query string, bind func(i int, p *params), found func(i int, values []driver.Value) error) error {
	return tx.statements.Each(tx.conn, n, query, bind, found)
}
