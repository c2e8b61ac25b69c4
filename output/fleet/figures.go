package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// figures sends the counters and incidents of this host. The fleet has of each table
// what the host has: a day, or a table without days, is read, compared with what the fleet
// has of it, and the difference is sent in transactions of at most batchSize rows. It
// holds nothing that cannot be read again, and begins again after any error.
type figures struct {
	feed    *feed.Feed // that was looked at last
	version int64      // see feed.Changed; when it was looked at
	dueAt   time.Time

	marks  map[partKey]sentMark // of the days that were sent; nil if they are not known
	parts  []part               // that are still to be sent
	now    *difference          // that is being sent; nil if there is none
	known  map[string]knownPart // by table: the part that was compared last
	resent int64                // see resending.target
}

const (
	// figuresInterval is the shortest pause between two looks.
	figuresInterval = 10 * time.Second
	// figuresShare bounds the share of time that looks take, as watchShare does.
	figuresShare = 50
	// maxKnown is the number of rows up to which a part is remembered.
	maxKnown = 50_000
)

// partKey identifies what is compared at once.
type partKey struct{ table, day string } // no day: the whole table

// sentMark is what is stored of a day that was sent.
type sentMark struct {
	mark     string
	attempts int64
}

// part is a day of a table, or a table without days.
type part struct {
	of  *figure
	day string
	sentMark
}

func (p *part) key() partKey { return partKey{p.of.table, p.day} }

// knownPart are the rows that the fleet has of a part.
type knownPart struct {
	day  string
	rows rowSet
}

// difference is what has to be sent of a part.
type difference struct {
	part
	changed, gone []row
	number        int64 // see feed.LastNumber
}

func (f *figures) waiting() bool { return len(f.parts) > 0 || f.now != nil }

func (f *figures) due() bool { return f.waiting() || time.Now().After(f.dueAt) }

// sendFigures sends the next figures in one transaction. It looks for changes if nothing
// is left of the last look.
func (s *Sender) sendFigures(ctx context.Context) error {
	f := &s.figures
	if s.resending.target != f.resent {
		if s.resending.target != 0 { // everything is to be compared again
			*f = figures{}
		}
		f.resent = s.resending.target
	}
	if !f.waiting() {
		if err := s.lookAtFigures(ctx); err != nil || !f.waiting() {
			return err
		}
	}
	// An error makes all of this void, so nothing has to be undone.
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		t := &transaction{Tx: tx, ctx: ctx}
		i, err := s.lockInstance(t)
		if err != nil {
			return err
		}
		for room := batchSize; room > 0 && f.waiting(); {
			n, err := s.sendPart(t, i.number, room)
			if err != nil {
				return err
			}
			s.settling.settled = false
			room -= n
		}
		return nil
	})
}

// lookAtFigures finds the parts that may have changed since the last look.
func (s *Sender) lookAtFigures(ctx context.Context) error {
	f, begun := &s.figures, time.Now()
	version, err := s.source.feed.Changed(ctx)
	if err != nil {
		return err
	}
	if f.feed == s.source.feed && f.version == version && f.marks != nil {
		f.dueAt = begun.Add(figuresInterval)
		return nil
	}
	f.feed, f.version = s.source.feed, version
	if f.marks == nil {
		if f.marks, err = readMarks(ctx, s.conn, s.number); err != nil {
			return err
		}
		f.known = make(map[string]knownPart)
	}
	days, err := s.source.feed.DayMarks(ctx)
	if err != nil {
		return err
	}
	rejudged, err := s.source.feed.Rejudged(ctx)
	if err != nil {
		return err
	}
	for i := range allFigures {
		of := &allFigures[i]
		if of.mark == nil {
			f.parts = append(f.parts, part{of: of})
			continue
		}
		for j := range days {
			d := &days[j]
			p := part{of, d.Day, sentMark{of.mark(d, rejudged), d.Sent + d.Deferred + d.Bounced + d.Expired}}
			// A host that has counted less than before reads its logs again, or a backup
			// was restored there.
			if sent := f.marks[p.key()]; sent.mark != p.mark && p.attempts >= sent.attempts {
				f.parts = append(f.parts, p)
			}
		}
	}
	f.dueAt = time.Now().Add(max(figuresInterval, figuresShare*time.Since(begun)))
	return nil
}

// readMarks reads which days were sent.
func readMarks(ctx context.Context, conn *pgx.Conn, number int64) (map[partKey]sentMark, error) {
	rows, err := conn.Query(ctx, `
		SELECT name, day, mark, attempts
		FROM bouncetail.fleet_figures
		WHERE instance = $1`, number)
	if err != nil {
		return nil, err
	}
	marks := make(map[partKey]sentMark)
	var key partKey
	var sent sentMark
	_, err = pgx.ForEachRow(rows, []any{&key.table, &key.day, &sent.mark, &sent.attempts}, func() error {
		marks[key] = sent
		return nil
	})
	return marks, err
}

// compareFiguresAgain has all figures of a host compared again.
func compareFiguresAgain(ctx context.Context, tx pgx.Tx, instance string) error {
	_, err := tx.Exec(ctx, `
		UPDATE bouncetail.fleet_figures
		SET mark = ''
		WHERE instance = (SELECT number FROM bouncetail.fleet_instances WHERE instance = $1)`, instance)
	return err
}

// sendPart sends some rows of the next part, and returns how many, at least 1.
func (s *Sender) sendPart(t *transaction, number int64, room int) (sent int, err error) {
	f := &s.figures
	if f.now == nil {
		if f.now, err = s.compare(t, number, &f.parts[0]); err != nil {
			return 0, fmt.Errorf("compare %s: %w", f.parts[0].of.table, err)
		}
		f.parts = f.parts[1:]
	}
	d := f.now
	some := d.changed[:min(len(d.changed), room)]
	if err := d.of.save(t, number, some); err != nil {
		return 0, fmt.Errorf("send %s: %w", d.of.table, err)
	}
	sent = len(some)
	old := d.gone[:min(len(d.gone), room-sent)]
	if err := d.of.drop(t, number, old, d.number); err != nil {
		return 0, fmt.Errorf("delete from %s: %w", d.of.table, err)
	}
	sent += len(old)
	if d.changed, d.gone = d.changed[len(some):], d.gone[len(old):]; len(d.changed)+len(d.gone) > 0 {
		return sent, nil
	}
	f.now = nil
	if d.of.mark == nil {
		return sent + 1, nil
	}
	f.marks[d.key()] = d.sentMark
	_, err = t.Exec(t.ctx, `
		INSERT INTO bouncetail.fleet_figures (instance, name, day, mark, attempts)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (instance, name, day) DO UPDATE SET mark = excluded.mark, attempts = excluded.attempts`,
		number, d.of.table, d.day, d.mark, d.attempts)
	return sent + 1, err
}

// compare reads a part, and what the fleet has of it.
func (s *Sender) compare(t *transaction, number int64, p *part) (*difference, error) {
	d := &difference{part: *p}
	now, err := p.of.read(t.ctx, s.source.feed, p.day, s.HideReplies)
	if err != nil {
		return nil, err
	}
	if p.of.gone == numbered {
		if d.number, err = s.source.feed.LastNumber(t.ctx, p.of.table); err != nil {
			return nil, err
		}
	}
	horizons, err := t.readHorizons()
	if err != nil {
		return nil, err
	}
	now = p.of.withoutOld(now, horizons)
	known, remembered := s.figures.known[p.of.table]
	if !remembered || known.day != p.day {
		known.day = p.day
		if known.rows, err = p.of.stored(t, number, p.day); err != nil {
			return nil, err
		}
	}
	d.changed, d.gone = p.of.differences(now, known.rows)
	if delete(s.figures.known, p.of.table); len(known.rows) <= maxKnown {
		s.figures.known[p.of.table] = known
	}
	return d, nil
}
