package incidents

import (
	"context"
	"database/sql"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// find adds the findings that need neither the detector nor the gatherer.
func (l *look) find(ctx context.Context) error {
	for _, do := range []func(context.Context) error{l.crowds, l.gaps, l.badLists, l.newReplies, l.inactivity, l.drifts} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// crowds finds addresses that became suspect together.
func (l *look) crowds(ctx context.Context) error {
	return sqldb.ScanAll(ctx, l.db, `
		SELECT unit, started_at, last_at, ended_at, addresses, refused
		FROM crowds
		WHERE last_at >= ?
		ORDER BY started_at`, func(scan func(...any) error) error {
		f := incident.Finding{Scope: bounce.ScopeRecipient, Category: bounce.InvalidAddress, Rings: true}
		f.Kind = incident.BadSurge
		var since, until, end string
		err := scan(&f.Subject, &since, &until, &end, &f.Addresses, &f.Attempts)
		f.Since, f.Until = bounce.ParseStamp(since).UnixMilli(), bounce.ParseStamp(until).UnixMilli()
		f.Over = l.Now.After(bounce.ParseStamp(end))
		l.Findings = append(l.Findings, f)
		return err
	}, bounce.Stamp(l.since.Add(-25*time.Hour)))
}

// gaps finds parts of logs that were destroyed before they were read.
func (l *look) gaps(ctx context.Context) error {
	l.gap = l.firstGap
	return sqldb.ScanAll(ctx, l.db, `
		SELECT id, noticed_at, source
		FROM gaps
		WHERE id > ?
		ORDER BY id`, func(scan func(...any) error) error {
		f := incident.Finding{Rings: true}
		f.Kind = incident.LogGap
		var at string
		err := scan(&l.gap, &at, &f.Subject)
		f.Since = bounce.ParseStamp(at).UnixMilli()
		f.Until = f.Since
		l.Findings = append(l.Findings, f)
		return err
	}, l.firstGap)
}

const (
	badListFrom  = 50   // addresses
	badListShare = 0.05 // of all attempts of the day
	listsEvery   = 10 * time.Minute
)

// badLists finds senders with many addresses that were never reached and became bad on
// one day.
func (l *look) badLists(ctx context.Context) error {
	if !l.suppressed || l.Live && l.Now.Sub(l.w.lists) < listsEvery {
		return nil
	}
	l.w.lists = l.Now
	// Days first: most have too few refusals, which the index is enough to count.
	return sqldb.ScanAll(ctx, l.db, `
		SELECT b.sender, count(DISTINCT b.recipient_key), count(DISTINCT b.domain), count(*),
		    min(b.occurred_at), max(b.occurred_at), max(b.id)
		FROM daily_totals t
		CROSS JOIN bounces b INDEXED BY bounces_refused ON b.suppress = 1
		  AND b.occurred_at >= t.day
		  AND b.occurred_at < t.day || 'U'
		JOIN recipients r ON r.recipient_key = b.recipient_key
		WHERE t.day >= ?1
		  AND b.sender <> ''
		  AND r.last_delivery_at IS NULL
		  AND max(?2, ?3 * (t.sent + t.deferred + t.bounced + t.expired)) <= (
		      SELECT count(*)
		      FROM bounces
		      WHERE suppress = 1 AND occurred_at >= t.day AND occurred_at < t.day || 'U'
		  )
		GROUP BY b.sender, t.day
		HAVING count(DISTINCT b.recipient_key) >= max(?2, ?3 * (t.sent + t.deferred + t.bounced + t.expired))
		ORDER BY 5`, func(scan func(...any) error) error {
		f := incident.Finding{Scope: bounce.ScopeRecipient, Category: bounce.InvalidAddress, Rings: true}
		f.Kind = incident.BadList
		var since, until string
		err := scan(&f.Subject, &f.Addresses, &f.Domains, &f.Attempts, &since, &until, &f.BounceID)
		f.Since, f.Until = bounce.ParseStamp(since).UnixMilli(), bounce.ParseStamp(until).UnixMilli()
		f.Over = l.Now.UnixMilli()-f.Until > l.w.Gap.Milliseconds()
		l.Findings = append(l.Findings, f)
		return err
	}, bounce.DayName(bounce.EpochDay(l.since.UnixMilli())), badListFrom, badListShare)
}

// shapes counts replies that no rule knows, by shape.
type shapes map[string]*shape

type shape struct {
	times  []int64 // the last newFrom times, in Unix milliseconds
	old    bool    // it came before
	rang   int64   // when it was found, or 0
	looked bool    // old was looked up
}

const (
	newFrom   = 20 // replies within an hour
	maxShapes = 5_000
)

// add counts a reply of a shape, at a time in Unix milliseconds.
func (all shapes) add(key string, at int64) *shape {
	s := all[key]
	if s == nil {
		s = &shape{}
		all[key] = s
	}
	if s.times = append(s.times, at); len(s.times) > newFrom {
		s.times = s.times[1:]
	}
	return s
}

// surges reports whether the last newFrom replies came within an hour.
func (s *shape) surges() bool {
	return len(s.times) == newFrom && s.times[newFrom-1]-s.times[0] <= time.Hour.Milliseconds()
}

// newReplies finds replies that no rule knows and that are new.
func (l *look) newReplies(ctx context.Context) error {
	w := l.w
	if w.Shape == nil || !l.Live {
		return nil
	}
	if len(w.shapes) > maxShapes || w.shapes == nil {
		w.shapes = make(shapes)
	}
	found := make(map[string]*incident.Finding)
	err := sqldb.ScanAll(ctx, w.db, `
		SELECT id, occurred_at, coalesce(reply, '')
		FROM bounces
		WHERE id > ? AND id <= ? AND category = 'unclassified'
		ORDER BY id`,
		func(scan func(...any) error) error {
			var id int64
			var at, reply string
			if err := scan(&id, &at, &reply); err != nil {
				return err
			}
			key, ms := short(w.Shape(reply)), bounce.ParseStamp(at).UnixMilli()
			s := w.shapes.add(key, ms)
			if !s.surges() && s.rang == 0 {
				return nil
			}
			f := &incident.Finding{
				Scope:    bounce.ScopeRecipient,
				Category: bounce.Unclassified,
				Since:    s.times[0],
				Until:    ms,
				Attempts: len(s.times),
				BounceID: id,
				Rings:    true,
			}
			f.Kind, f.Reason, f.Subject = incident.UnclassifiedSurge, bounce.Unknown, key
			found[key] = f
			return nil
		}, l.first, l.last)
	if err != nil {
		return err
	}
	for key, f := range found {
		s := w.shapes[key]
		if !s.looked {
			if s.old, err = w.cameBefore(ctx, key, time.UnixMilli(f.Since)); err != nil {
				return err
			}
			s.looked = true
		}
		if s.old = s.old || s.rang != 0 && f.Until-s.rang > (24*time.Hour).Milliseconds(); s.old {
			continue
		}
		if s.rang == 0 {
			s.rang = f.Until
		}
		l.Findings = append(l.Findings, *f)
	}
	return nil
}

// short bounds a shape, which the other side chooses.
func short(s string) string {
	const longest = 120
	if len(s) > longest {
		s = s[:longest]
	}
	return s
}

// cameBefore reports whether a reply of a shape came in the month before the day
// before a time.
func (w *Watcher) cameBefore(ctx context.Context, key string, at time.Time) (before bool, err error) {
	err = sqldb.ScanAll(ctx, w.db, `
		SELECT coalesce(reply, '')
		FROM bounces
		WHERE occurred_at >= ? AND occurred_at < ? AND category = 'unclassified'
		LIMIT 20000`,
		func(scan func(...any) error) error {
			var reply string
			err := scan(&reply)
			before = before || short(w.Shape(reply)) == key
			return err
		}, bounce.Stamp(at.Add(-30*24*time.Hour)), bounce.Stamp(at.Add(-24*time.Hour)))
	return before, err
}

const (
	quietFor   = 6 * time.Hour
	quietTimes = 10 // the usual pause
)

// inactivity finds that nothing is sent any more, in comparison with the same hour of
// the last two weeks. The pause must have passed since the first look too, because the
// machine may have been switched off.
func (l *look) inactivity(ctx context.Context) error {
	if !l.Live || l.w.Jumped {
		return nil
	}
	pause := func(at time.Time) (time.Duration, bool, error) {
		var last sql.NullInt64
		err := l.db.QueryRowContext(ctx, `
			SELECT max(start)
			FROM provider_windows
			WHERE span = 300 AND start <= ? AND sent > 0`, at.Unix()).Scan(&last)
		return at.Sub(time.Unix(last.Int64+incident.WindowSeconds, 0)), last.Valid, err
	}
	silent, known, err := pause(l.Now)
	if err != nil || !known {
		return err
	}
	last := bounce.Stamp(l.Now.Add(-silent))
	for _, i := range l.Known {
		if i.Open() && i.Kind == incident.Inactivity && last > i.StartedAt {
			l.End(i, incident.ByDelivery, last)
		}
	}
	limit := quietFor
	for week := 1; week <= 2; week++ {
		usual, known, err := pause(l.Now.Add(-time.Duration(week) * 7 * 24 * time.Hour))
		if err != nil {
			return err
		}
		if !known {
			return nil // too little is known
		}
		limit = max(limit, quietTimes*usual)
	}
	if silent < limit || l.Now.Sub(l.w.begun) < quietFor {
		return nil
	}
	at := l.Now.Add(-silent).UnixMilli()
	f := incident.Finding{Since: at, Until: l.Now.UnixMilli(), Rings: true}
	f.Kind = incident.Inactivity
	l.Findings = append(l.Findings, f)
	return nil
}
