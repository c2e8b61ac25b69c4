package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/sqlite/feed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Host changes the database of this host by what was decided on others.
type Host interface {
	// Decide stores decisions, releases and confirmations, unless there is a later word.
	Decide(ctx context.Context, decisions []feed.Decision, releases []feed.Release) error
	// Forget deletes what is known of addresses until some times.
	Forget(ctx context.Context, addresses []feed.Forgotten) error
}

// taking takes over what other hosts decide and forget. The words of the fleet are
// numbered by its clock and read in that order. How far they are taken over is not
// stored on the host: a sender that starts compares all of them with its database, so
// that nothing is missing there after a crash, or in a backup that was restored.
//
// Words keep the time at which they were said. So they are recognized when the host looks
// for its own, and are not sent back.
type taking struct {
	seq      int64      // the number up to which all words are taken over
	saved    int64      // seq, as the fleet knows it
	end      int64      // the one that will be true of when running is done
	running  chan error // from the goroutine that takes words over; nil if there is none
	cancel   context.CancelFunc
	dueAt    time.Time
	troubled string
	from     *feed.Feed // the database that seq is of
}

const (
	// takeInterval is the pause between two looks.
	takeInterval = 2 * time.Second
	// takeRetry is the pause after an error of the host, such as a busy database.
	takeRetry = 10 * time.Second
	// takePage is how many words of a kind are read at once.
	takePage = 1000
)

// words are what was decided and forgotten.
type words struct {
	end       int64 // the change number up to which these are all
	more      bool
	decisions []feed.Decision
	releases  []feed.Release
	forgotten []feed.Forgotten
}

func (w *words) empty() bool { return len(w.decisions)+len(w.releases)+len(w.forgotten) == 0 }

// takes reports whether there may be something to take over, or to tell the fleet about that.
func (s *Sender) takes() bool {
	k := &s.taking
	return s.Host != nil && (time.Now().After(k.dueAt) || k.seq != k.saved)
}

// takeOver looks whether words are taken over, and begins to take over the next ones, in
// a goroutine: the database of the host may be busy for long, and what fails is to be
// sent meanwhile.
func (s *Sender) takeOver(ctx context.Context) error {
	k := &s.taking
	if k.running != nil {
		select {
		case err := <-k.running:
			s.taken(err)
		default:
			return nil
		}
	}
	if k.from != s.source.feed { // a backup was restored
		k.from, k.seq = s.source.feed, 0
	}
	for time.Now().After(k.dueAt) {
		w, err := s.readWords(ctx)
		if err != nil {
			return err
		}
		s.dropUnsound(w)
		if err := s.dropKnown(ctx, w); err != nil {
			return err
		}
		if !w.more {
			k.dueAt = time.Now().Add(takeInterval)
		}
		k.end = w.end
		if w.empty() {
			k.seq = w.end
			continue
		}
		var running context.Context
		running, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
		k.running = make(chan error, 1)
		go func() { k.running <- s.apply(running, w) }()
		return nil
	}
	return nil
}

func (s *Sender) apply(ctx context.Context, w *words) error {
	if len(w.decisions)+len(w.releases) > 0 {
		if err := s.Host.Decide(ctx, w.decisions, w.releases); err != nil {
			return err
		}
	}
	if len(w.forgotten) == 0 {
		return nil
	}
	return s.Host.Forget(ctx, w.forgotten)
}

// taken notes that the goroutine has ended.
func (s *Sender) taken(err error) {
	k := &s.taking
	k.cancel()
	k.running = nil
	switch {
	case err == nil:
		k.seq = k.end
		if k.troubled != "" {
			k.troubled = ""
			s.Log.Info("taking over decisions again")
		}
		return
	case err.Error() != k.troubled:
		k.troubled = err.Error()
		s.Log.Warn("cannot take over what other hosts have decided, retrying", "error", err)
	}
	k.dueAt = time.Now().Add(takeRetry)
}

// stopTaking ends the goroutine, if there is one, and waits for it.
func (s *Sender) stopTaking() {
	if s.taking.running != nil {
		s.taking.cancel()
		if err := <-s.taking.running; err != nil {
			s.Log.Debug("taking over ended", "error", err)
		}
	}
	s.taking = taking{}
}

// takeAll takes over all words that there are, and reports whether there were some.
func (s *Sender) takeAll(ctx context.Context) (some bool, err error) {
	k := &s.taking
	for ; s.Host != nil; some = true {
		if k.running == nil {
			k.dueAt = time.Time{}
			if err := s.takeOver(ctx); err != nil || k.running == nil {
				return some, Explain(err)
			}
		}
		select {
		case err := <-k.running:
			if s.taken(err); err != nil {
				return false, err
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

// readWords reads the next words, as they are at one moment.
func (s *Sender) readWords(ctx context.Context) (w *words, err error) {
	k := &s.taking
	w = &words{}
	err = pgx.BeginTxFunc(ctx, s.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT seq FROM bouncetail.fleet_clock").Scan(&w.end); err != nil {
			return err
		}
		if w.end < k.seq { // an older fleet was restored
			k.seq = 0
		}
		clock := w.end
		// page notes that words up to a number are read.
		page := func(n int, last int64, err error) error {
			if n >= takePage {
				w.end = min(w.end, last)
			}
			return err
		}
		var last int64
		rows, err := tx.Query(ctx, `
			SELECT recipient_key, recipient, domain, decision, coalesce(note, ''), decided_at, until, seq
			FROM bouncetail.decisions WHERE seq > $1 ORDER BY seq FETCH FIRST $2 ROWS WITH TIES`, k.seq, takePage)
		if err != nil {
			return err
		}
		var d feed.Decision
		_, err = pgx.ForEachRow(rows, []any{
			&d.Key, &d.Recipient, &d.Domain, &d.Decision, &d.Note, (*Stamp)(&d.At), (*Stamp)(&d.Until),
			&last,
		}, func() error {
			w.decisions = append(w.decisions, d)
			return nil
		})
		if err := page(len(w.decisions), last, err); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, selectMarks+" ORDER BY seq FETCH FIRST $2 ROWS WITH TIES", k.seq, takePage); err != nil {
			return err
		}
		w.releases, last, err = scanMarks(rows)
		if err := page(len(w.releases), last, err); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, `
			SELECT recipient_key, until, seq
			FROM bouncetail.forgotten
			WHERE seq > $1
			ORDER BY seq
			FETCH FIRST $2 ROWS WITH TIES`, k.seq, takePage); err != nil {
			return err
		}
		var f feed.Forgotten
		_, err = pgx.ForEachRow(rows, []any{&f.Key, (*Stamp)(&f.Until), &last}, func() error {
			w.forgotten = append(w.forgotten, f)
			return nil
		})
		err = page(len(w.forgotten), last, err)
		w.more = w.end < clock
		return err
	})
	return w, err
}

const selectMarks = `
	SELECT confirms, id, since, until, category, domain, reason, coalesce(note, ''), made_at, withdrawn_at,
	    seq
	FROM bouncetail.releases
	WHERE seq > $1`

// scanMarks returns the rows of selectMarks, and the number of the last.
func scanMarks(rows pgx.Rows) (list []feed.Release, last int64, err error) {
	var m feed.Release
	var withdrawn Stamp
	_, err = pgx.ForEachRow(rows, []any{
		&m.Confirms, &m.ID, (*Stamp)(&m.Since), (*Stamp)(&m.Until), &m.Category, &m.Domain, &m.Reason,
		&m.Note, (*Stamp)(&m.ReleasedAt), &withdrawn, &last,
	}, func() error {
		if m.WithdrawnAt = nil; withdrawn != "" {
			m.WithdrawnAt = new(string(withdrawn))
		}
		list = append(list, m)
		return nil
	})
	return list, last, err
}

// dropKnown takes out of words what holds in the database of the host already.
func (s *Sender) dropKnown(ctx context.Context, w *words) error {
	if w.empty() {
		return nil
	}
	until, err := s.source.feed.ForgottenUntil(ctx)
	if err != nil {
		return err
	}
	decided, err := s.source.feed.Decisions(ctx)
	if err != nil {
		return err
	}
	byKey := query.ByKey(decided)
	w.decisions = slices.DeleteFunc(w.decisions, func(d feed.Decision) bool { return d.At <= until[d.Key] || !d.Overrules(byKey[d.Key]) })

	marks, err := s.source.feed.Releases(ctx)
	if err != nil {
		return err
	}
	byID := query.ByIdentity(marks)
	w.releases = slices.DeleteFunc(w.releases, func(m feed.Release) bool { return !m.Overrules(byID[m.Identity()]) })

	w.forgotten = slices.DeleteFunc(w.forgotten, func(f feed.Forgotten) bool { return f.Until <= until[f.Key] })
	return nil
}
