package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// Save saves a batch whole or not at all, and returns how many of its records
// were new. After an error the same batch can be saved again.
//
// One that is partial goes into the database with the first that is not, in one
// transaction. Until then the store can do nothing else but take the next batch
// or be closed, which drops what was partial. An error drops it too: errors.Is
// tells it by ErrPartsLost.
func (s *Store) Save(ctx context.Context, b *bounce.Batch) (isNew int, err error) {
	w := s.begun
	s.begun = nil
	if w == nil {
		if w, err = s.newWriter(ctx); err != nil {
			return 0, err
		}
	}
	w.ctx = ctx
	err = w.take(b)
	isNew, w.isNew = w.isNew, 0
	if err == nil && b.Partial {
		w.parts++
		s.begun = w
		return isNew, nil
	}
	if err = w.end(err); err != nil {
		s.lost = s.lost || errors.Is(err, ErrPartsLost)
		return 0, err
	}
	for at, n := range w.problems {
		s.problems.add(at, *n)
	}
	s.copyLog(ctx)
	return isNew, nil
}

// ErrPartsLost tells that with a batch the partial ones before it were not
// saved either.
var ErrPartsLost = errors.New("what was read before it is to be read again")

// newWriter begins a transaction, which has to be ended.
func (s *Store) newWriter(ctx context.Context) (*writer, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	// Not a sql.Tx, which starts a goroutine for every query: to wake up others
	// costs more than a small batch does.
	tx, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, errors.Join(err, tx.Close())
	}
	w := &writer{
		ctx: ctx, tx: tx, policy: s.policy, now: bounce.Stamp(s.now()), scrubQueue: s.ScrubQueue, room: &s.room,
		counts: make(map[dayDomain]*outcomes), verdictAt: make(map[recipient.Failure]int32),
	}
	if s.problems != nil {
		w.problems = make(problems)
	}
	w.touch(0)
	return w, nil
}

// take takes a batch into the transaction. What follows from all failures and
// deliveries together is brought up to date with the last one.
func (w *writer) take(b *bounce.Batch) error {
	b, err := w.admit(b)
	if err != nil {
		return fmt.Errorf("what was deleted: %w", err)
	}
	type step struct {
		what string
		do   func(*bounce.Batch) error
	}
	steps := []step{
		{"successes", w.successes},
		{"order of deliveries", w.sortDeliveries},
		{"bounces", w.bounces},
	}
	if !b.Partial {
		steps = append(steps,
			step{"days without counts", w.dropOldCounts},
			step{"daily counts", w.dailyCounts},
			step{"deliveries", w.lastDeliveries},
			step{"recipients", w.recipients},
			step{"queue", w.queue},
			step{"positions", w.positions},
			step{"gaps", w.gaps},
			step{"unparsed lines", w.unparsed})
	}
	for _, step := range steps {
		if err := step.do(b); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// end commits the transaction, or rolls it back after an error, which it
// returns.
func (w *writer) end(err error) error {
	defer w.tx.Close()
	if err == nil {
		_, err = w.tx.ExecContext(w.ctx, "COMMIT")
	}
	if err == nil {
		return nil
	}
	// Where SQLite has done so itself, this says that there is nothing to roll back.
	_, _ = w.tx.ExecContext(context.WithoutCancel(w.ctx), "ROLLBACK")
	if w.parts > 0 {
		err = fmt.Errorf("%w; %w", err, ErrPartsLost)
	}
	return err
}

// room is memory that one transaction leaves to the next. It belongs to the one
// that holds the connection.
type room struct {
	packed          []byte       // for packedRows
	ids             []int64      // for what became of them
	deliveries      []delivery   // the new successes of a batch
	otherDeliveries []delivery   // for sorting them
	news            []newSuccess // the successes of a batch
	otherNews       []newSuccess // for sorting those of a bucket
}

// writer is one transaction.
type writer struct {
	*room
	ctx       context.Context //nolint:containedctx // of this one transaction
	tx        *sql.Conn
	parts     int              // partial batches that it holds
	policy    *bounce.Policy   // in force, as Open and UsePolicy left it
	now       string           // as stored
	inputs    recipient.Inputs // see readInputs
	admitting *admission       // likewise: see admit
	changes   recipient.Changes
	isNew     int
	// scrubQueue is Store.ScrubQueue.
	scrubQueue Scrubber
	counts     map[dayDomain]*outcomes
	problems   problems // nil where they are not counted
	// countedSince is the first day that has counts, where earlier ones were
	// deleted.
	countedSince int

	addressees []addressee         // whose rows may change
	place      map[int64]int32     // where they stand in addressees, by key
	failures   newFailures         // of theirs
	verdicts   []recipient.Failure // what the failures were judged to be, each once, without what is only theirs
	verdictAt  map[recipient.Failure]int32
	runs       [][]delivery // the new successes, each run sorted
}

type dayDomain struct {
	day    int // since 1970, UTC
	domain string
}

type outcomes struct{ sent, deferred, bounced, expired int }

// count returns the counts of a day.
func (w *writer) count(day int, domain string) *outcomes {
	k := dayDomain{day, domain}
	o := w.counts[k]
	if o == nil {
		o = &outcomes{}
		k.domain = strings.Clone(domain) // it may lie in the batch
		w.counts[k] = o
	}
	return o
}

const insertBounce = `
	INSERT INTO bounces (
	  event_id, occurred_at, recipient, domain, original_recipient, sender, message_id, queue_id,
	  host, mta, outcome, dsn, smtp_code, enhanced_code, reply, stage, relay_host, relay_ip,
	  category, reason, scope, disposition, suppress, rule, provider,
	  recipient_logged, relay_port, blocklist, retry_after, url, recipient_key, transport, router
	) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
	ON CONFLICT (event_id) DO NOTHING`

func (w *writer) bounces(b *bounce.Batch) error {
	keys := make([]int64, b.Records.Len())
	var r bounce.Record
	return w.bulk(b.Records.Len(), insertBounce,
		func(i int, row *packedRows) {
			b.Records.Read(i, &r)
			row.id(r.ID)
			row.time(r.At)
			row.text(r.To.Normal)
			row.text(r.To.Domain)
			row.known(r.OriginalRecipient)
			if r.HasSender {
				row.text(r.Sender)
			} else {
				row.null()
			}
			row.known(r.MessageID)
			row.known(r.QueueID)
			row.known(r.Host)
			row.text(string(r.MTA))
			row.text(string(r.Outcome))
			row.known(r.DSN)
			row.number(r.Reply.SMTPCode)
			row.known(r.Reply.EnhancedCode)
			row.known(r.Reply.Text)
			row.known(string(r.Reply.Stage))
			row.known(r.Reply.RelayHost)
			row.known(r.Reply.RelayIP)
			row.text(string(r.Category))
			row.text(string(r.Reason))
			row.text(string(r.Scope))
			row.text(string(r.Disposition))
			row.bool(r.Suppress)
			row.text(r.Rule)
			row.known(r.Provider)
			row.known(r.To.Logged)
			row.number(r.Reply.RelayPort)
			row.known(r.Blocklist)
			row.number(int(r.RetryAfter / time.Second))
			row.known(r.URL)
			keys[i] = r.To.Key()
			row.int(keys[i])
			row.known(r.Transport)
			row.known(r.Router)
		},
		func(i int, id int64) {
			b.Records.Read(i, &r)
			w.isNew++
			if w.problems != nil {
				w.problems.count(&r)
			}
			if r.Reason != bounce.Suppressed { // our own refusal says nothing new of the address
				w.failed(&r, keys[i], id)
			}
			switch o := w.count(bounce.EpochDay(r.At.UnixMilli()), r.To.Domain); r.Outcome {
			case bounce.Deferred:
				o.deferred++
			case bounce.Bounced:
				o.bounced++
			case bounce.Expired:
				o.expired++
			case bounce.Sent: // never a record
			}
		})
}

// text and number store what is not known as NULL.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func number(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func (w *writer) dailyCounts(*bounce.Batch) error {
	keys := slices.SortedFunc(maps.Keys(w.counts), func(a, b dayDomain) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.domain, b.domain))
	})
	return w.each(len(keys), `
		INSERT INTO daily_counts (day, domain, sent, deferred, bounced, expired) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (day, domain) DO UPDATE SET
		  sent = sent + excluded.sent, deferred = deferred + excluded.deferred,
		  bounced = bounced + excluded.bounced, expired = expired + excluded.expired`,
		func(i int) []any {
			k := keys[i]
			o := w.counts[k]
			return []any{bounce.DayName(k.day), k.domain, o.sent, o.deferred, o.bounced, o.expired}
		}, nil)
}

func (w *writer) queue(b *bounce.Batch) error {
	kept := slices.DeleteFunc(slices.Clone(b.Queue), func(e bounce.QueueEntry) bool { return e.Data == nil })
	err := w.each(len(kept), `
		INSERT INTO queue_entries (host, mta, queue_id, seen_at, data) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (host, mta, queue_id) DO UPDATE SET seen_at = excluded.seen_at, data = excluded.data`,
		func(i int) []any {
			e := &kept[i]
			return []any{e.Host, string(e.MTA), e.QueueID, bounce.Stamp(e.SeenAt), e.Data}
		}, nil)
	if err != nil {
		return err
	}
	ended := slices.DeleteFunc(slices.Clone(b.Queue), func(e bounce.QueueEntry) bool { return e.Data != nil })
	return w.each(len(ended), "DELETE FROM queue_entries WHERE host = ? AND mta = ? AND queue_id = ?",
		func(i int) []any { return []any{ended[i].Host, string(ended[i].MTA), ended[i].QueueID} }, nil)
}

func (w *writer) positions(b *bounce.Batch) error {
	kept := slices.DeleteFunc(slices.Clone(b.Positions), func(p bounce.StreamState) bool { return p.Gone })
	err := w.each(len(kept), `
		INSERT OR REPLACE INTO positions
		  (stream, source, path, device, inode, offset, head, tail, cursor, closed, parser, anchor, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		func(i int) []any {
			p := &kept[i]
			return []any{
				p.Stream, p.Source, p.Path, int64(p.Device), int64(p.Inode), p.Offset, int64(p.Head), int64(p.Tail),
				p.Cursor, p.Closed, p.Parser.Data, bounce.Stamp(p.Parser.Anchor), bounce.Stamp(p.UpdatedAt),
			}
		}, nil)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(b.Positions), func(p bounce.StreamState) bool { return !p.Gone })
	return w.each(len(gone), "DELETE FROM positions WHERE stream = ?", func(i int) []any { return []any{gone[i].Stream} }, nil)
}

func (w *writer) gaps(b *bounce.Batch) error {
	return w.each(len(b.Gaps), "INSERT INTO gaps (noticed_at, source, path, bytes, why) VALUES (?, ?, ?, ?, ?)",
		func(i int) []any {
			g := &b.Gaps[i]
			return []any{bounce.Stamp(g.At), g.Source, g.Path, g.Bytes, g.Why}
		}, nil)
}

func (w *writer) unparsed(b *bounce.Batch) error {
	return w.each(len(b.Unparsed), `
		INSERT INTO unparsed_lines (mta, shape, count, example, last_read_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (mta, shape) DO UPDATE SET count = count + excluded.count, last_read_at = excluded.last_read_at`,
		func(i int) []any {
			u := &b.Unparsed[i]
			return []any{string(u.MTA), u.Shape, u.Count, u.Example, bounce.Stamp(time.Now())}
		}, nil)
}

// Load returns where reading goes on and what the queue remembered.
func (s *Store) Load(ctx context.Context) (positions []bounce.StreamState, queue []bounce.QueueEntry, err error) {
	err = scanAll(ctx, s.db, "SELECT stream, source, path, device, inode, offset, head, tail, cursor, closed, parser, anchor, updated_at FROM positions ORDER BY stream",
		func(scan func(...any) error) error {
			var p bounce.StreamState
			var device, inode, head, tail int64
			var anchor, updated string
			if err := scan(&p.Stream, &p.Source, &p.Path, &device, &inode, &p.Offset, &head, &tail, &p.Cursor, &p.Closed, &p.Parser.Data, &anchor, &updated); err != nil {
				return err
			}
			p.Device, p.Inode, p.Head, p.Tail = uint64(device), uint64(inode), uint64(head), uint64(tail)
			p.Parser.Anchor, p.UpdatedAt = bounce.ParseStamp(anchor), bounce.ParseStamp(updated)
			positions = append(positions, p)
			return nil
		})
	if err != nil {
		return nil, nil, fmt.Errorf("positions: %w", err)
	}
	err = scanAll(ctx, s.db, "SELECT host, mta, queue_id, seen_at, data FROM queue_entries",
		func(scan func(...any) error) error {
			var e bounce.QueueEntry
			var seen string
			if err := scan(&e.Host, &e.MTA, &e.QueueID, &seen, &e.Data); err != nil {
				return err
			}
			e.SeenAt = bounce.ParseStamp(seen)
			queue = append(queue, e)
			return nil
		})
	if err != nil {
		return nil, nil, fmt.Errorf("queue: %w", err)
	}
	return positions, queue, nil
}

type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scanAll(ctx context.Context, db querier, query string, each func(scan func(...any) error) error, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
