package incidents

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// Channel is a channel of notices, as far as rows are written for it.
type Channel struct {
	Name  string
	Kinds []incident.Kind // none is all
	Again time.Duration   // how often an open incident is reported; 0 is once a day
}

// Watcher looks for incidents. It is used by one goroutine, next to the one writer of
// the records.
type Watcher struct {
	incident.Settings
	Channels []Channel
	// Shape returns the form of a reply without what varies. It may be nil, and then
	// new replies are not looked for.
	Shape func(reply string) string
	// Jumped is set while the clock of the machine has jumped ahead of the time that Look is
	// called with. The lines of a mail server that runs on it have jumped too.
	Jumped bool
	// New are the failures that an import has just stored, which saves reading them. It
	// may be nil.
	New *incident.NewFailures

	db       *sql.DB
	gatherer *incident.Gatherer // nil before the first look
	shapes   shapes
	lists    time.Time // when senders with bad lists were last looked for
	begun    time.Time // of the first look
}

// Open opens a database that must exist.
func Open(ctx context.Context, path string) (*Watcher, error) {
	db, err := dbfile.OpenBeside(ctx, path, "_txlock=immediate&_synchronous=NORMAL&"+sqldb.BusyTimeout)
	if err != nil {
		return nil, err
	}
	return &Watcher{db: db}, nil
}

// await calls do, the begin of a transaction or one statement, until no daemon or import
// writes.
func (w *Watcher) await(ctx context.Context, do func() error) error {
	return sqldb.Await(ctx, 30*time.Second, do)
}

// exec executes a statement that writes.
func (w *Watcher) exec(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = w.await(ctx, func() error {
		result, err = w.db.ExecContext(ctx, query, args...)
		return err
	})
	return result, err
}

// Close closes the database.
func (w *Watcher) Close() error { return w.db.Close() }

// The names in meta of what was looked at last.
const (
	lastBounce = "incidents_bounce"
	lastGap    = "incidents_gap"
	lastDrift  = "incidents_drift" // Unix seconds
)

// look is one look at what is new.
type look struct {
	*incident.Look
	w             *Watcher
	first, last   int64 // the failures that are new: those with an id over first, up to last
	firstGap, gap int64
	since         time.Time // of the first new failure, by the log
	suppressed    bool      // a new failure shows that an address is bad
	past          []*incident.Provider
	db            sqldb.Querier         // to read
	fresh         bool                  // nothing that is stored of the detector is used
	new           *incident.NewFailures // those that are new, or nil if they must be read
	counted       []counted             // incidents of an import, see countNew
	lastOlder     string                // when the last failure of before the import was, see countedBefore
	drifted       int64                 // when trends were last looked for, in Unix seconds
}

// Look looks at what is new, and stores what follows from it in one transaction. Live
// is false for an import, of which nothing rings. It returns the number of notices that
// are due from now on. Findings are those of the caller; kinds that end when they are
// not found any more are listed in observed.
func (w *Watcher) Look(
	ctx context.Context, now time.Time, live bool, findings []incident.Finding, observed ...incident.Kind,
) (due int, err error) {
	if w.begun.IsZero() {
		w.begun = now
	}
	l := &look{w: w, db: w.db, Look: &incident.Look{
		Settings: w.Settings, Findings: findings,
		Book: incident.Book{Now: now, Live: live, Gap: w.Gap},
	}}
	// Reading needs no lock. Nothing but this writes what it reads to decide.
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"what was looked at", l.readMarks},
		{"known incidents", l.readKnown},
		{"failures", l.gather},
		{"windows", l.readProviders},
		{"other findings", l.find},
	} {
		if err := step.do(ctx); err != nil {
			return 0, fmt.Errorf("look for incidents: %s: %w", step.what, err)
		}
	}
	l.Refusals = l.refusals(ctx)
	if err := l.Do(); err != nil {
		w.gatherer = nil
		return 0, fmt.Errorf("look for incidents: %w", err)
	}
	l.endUnobserved(observed)
	if err := l.recount(ctx); err != nil {
		return 0, fmt.Errorf("count failures of incidents: %w", err)
	}
	if due, err = l.store(ctx); err != nil {
		w.gatherer = nil // its groups would count as stored
		return 0, fmt.Errorf("store incidents: %w", err)
	}
	return due, nil
}

// readMarks reads how far was looked, and what is new since.
func (l *look) readMarks(ctx context.Context) error {
	for name, into := range map[string]*int64{lastBounce: &l.first, lastGap: &l.firstGap, lastDrift: &l.drifted} {
		err := l.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(into)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	l.since = l.Now.Add(-time.Hour)
	if err := l.useNew(ctx); err != nil || l.new != nil {
		return err
	}
	var since string
	err := l.db.QueryRowContext(ctx, `
		SELECT coalesce(max(id), ?1), coalesce(min(occurred_at), ''), coalesce(max(suppress), 0)
		FROM bounces
		WHERE id > ?1`, l.first).Scan(&l.last, &since, &l.suppressed)
	if at := bounce.ParseStamp(since); since != "" && at.Before(l.since) {
		l.since = at
	}
	return err
}

// useNew uses the failures that an import kept in memory, if these are all that are new.
func (l *look) useNew(ctx context.Context) error {
	if l.w.New == nil {
		return nil
	}
	var before, last int64
	first, end := l.w.New.IDs()
	err := l.db.QueryRowContext(ctx, `
		SELECT (SELECT coalesce(max(id), 0) FROM bounces WHERE id < ?),
		    (SELECT coalesce(max(id), 0) FROM bounces)`, first).Scan(&before, &last)
	if err != nil || first <= l.first || before > l.first || last != end {
		return err
	}
	l.new, l.last = l.w.New, last
	since, suppressed := l.new.Since()
	if since.Before(l.since) {
		l.since = since
	}
	l.suppressed = suppressed
	return nil
}

func (l *look) readKnown(ctx context.Context) (err error) {
	l.Known, err = load(ctx, l.db, "WHERE over_at IS NULL OR last_at >= ? ORDER BY id", bounce.Stamp(l.since.Add(-l.w.Gap-24*time.Hour)))
	return err
}

// firstDay is how long windows must be kept before the detector rings.
const firstDay = 24 * 3600

// readProviders reads the windows of the providers with new attempts, and of those
// with an open incident.
func (l *look) readProviders(ctx context.Context) error {
	if err := l.db.QueryRowContext(
		ctx, "SELECT coalesce(min(start), 0) + ? FROM provider_windows", firstDay,
	).Scan(&l.RingsFrom); err != nil {
		return err
	}
	all := &incident.Baseline{}
	if err := l.db.QueryRowContext(ctx, `
		SELECT coalesce(sum(tried), 0), coalesce(sum(refused), 0)
		FROM provider_baselines`).Scan(&all.Tried, &all.Refused); err != nil {
		return err
	}
	now := incident.WindowOf(l.Now.Unix())
	err := l.db.QueryRowContext(ctx, `
		SELECT coalesce(1.0 * sum(refused) / sum(tried), 0)
		FROM provider_windows
		WHERE span = 300 AND start >= ? AND start < ?`,
		now-900, now+incident.WindowSeconds).Scan(&l.Unreached)
	if err != nil {
		return err
	}
	since := incident.WindowOf(l.since.Unix())
	var names []string
	err = sqldb.ScanAll(ctx, l.db, `
		SELECT DISTINCT provider FROM provider_windows WHERE span = 300 AND start >= ?
		UNION SELECT provider FROM provider_baselines WHERE incident IS NOT NULL`, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	}, since)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.readProvider(ctx, name, since, all); err != nil {
			return err
		}
	}
	return nil
}

func (l *look) readProvider(ctx context.Context, name string, since int64, all *incident.Baseline) error {
	p := &incident.Provider{Name: name}
	var judged int64
	err := l.db.QueryRowContext(ctx, `
		SELECT tried, refused, updated, coalesce(incident, 0), judged, ended
		FROM provider_baselines
		WHERE provider = ?`, name).
		Scan(&p.Usual.Tried, &p.Usual.Refused, &p.Usual.Until, &p.Incident, &judged, &p.Since)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if l.fresh {
		*p = incident.Provider{Name: name}
		judged = 0
	}
	p.Open = p.Incident != 0
	p.All = all
	from := since
	if judged > 0 {
		from = min(since, judged)
	}
	if p.Usual.Until > 0 {
		from = min(from, p.Usual.Until)
	} else {
		from = 0
	}
	// Without INDEXED BY, SQLite would read the windows of all providers for each of them.
	err = sqldb.ScanAll(ctx, l.db, `
		SELECT start, sent, tried, refused
		FROM provider_windows INDEXED BY provider_windows_by_provider
		WHERE span = 300 AND provider = ? AND start >= ?
		ORDER BY start`,
		func(scan func(...any) error) error {
			var w incident.Window
			err := scan(&w.Start, &w.Sent, &w.Tried, &w.Refused)
			p.Windows = append(p.Windows, w)
			return err
		}, name, from-incident.Memory)
	if err != nil || len(p.Windows) == 0 {
		return err
	}
	if p.From = judged; judged == 0 {
		p.From = p.Windows[0].Start + incident.WindowSeconds
	} else if since < judged-firstDay/24 {
		// Attempts of a time that was judged before were read from an old log.
		past := *p
		past.Open, past.Incident, past.Since = false, 0, 0
		past.From, past.To = since+incident.WindowSeconds, judged-incident.WindowSeconds
		l.past = append(l.past, &past)
		l.Providers = append(l.Providers, &past)
	}
	l.Providers = append(l.Providers, p)
	return nil
}

// refusals returns what names the cause of an alarm.
func (l *look) refusals(ctx context.Context) func(provider string, from, to int64) ([]incident.Refusal, error) {
	return func(provider string, from, to int64) (all []incident.Refusal, err error) {
		which, args := "provider = ?", []any{bounce.Stamp(time.Unix(from, 0)), bounce.Stamp(time.Unix(to, 0)), provider}
		var slug bool
		if err := l.db.QueryRowContext(ctx, `
			SELECT EXISTS (
			    SELECT 1 FROM bounces INDEXED BY bounces_by_time
			    WHERE occurred_at >= ? AND occurred_at < ? AND provider = ?
			)`, args...).Scan(&slug); err != nil {
			return nil, err
		}
		if !slug {
			which = "provider IS NULL AND domain = ?"
		}
		if provider == bounce.OtherValue {
			which, args = "provider IS NULL", args[:2]
		}
		err = sqldb.ScanAll(ctx, l.db, `
			SELECT scope, category, reason, max(coalesce(enhanced_code, '')), coalesce(blocklist, ''),
			    count(DISTINCT recipient_key), count(DISTINCT domain), count(*), min(occurred_at),
			    max(occurred_at), max(id)
			FROM bounces
			WHERE occurred_at >= ? AND occurred_at < ? AND `+which+` AND `+refused+` AND suppress = 0
			GROUP BY scope, category, reason, coalesce(blocklist, '')`, func(scan func(...any) error) error {
			var r incident.Refusal
			var since, until string
			err := scan(
				&r.Scope, &r.Category, &r.Reason, &r.EnhancedCode, &r.Blocklist, &r.Addresses, &r.Domains,
				&r.Attempts, &since, &until, &r.LastID,
			)
			r.Since, r.Until = bounce.ParseStamp(since).UnixMilli(), bounce.ParseStamp(until).UnixMilli()
			all = append(all, r)
			return err
		}, args...)
		return all, err
	}
}

// endUnobserved ends incidents of kinds that are over once they are not found any more.
func (l *look) endUnobserved(observed []incident.Kind) {
	for _, i := range l.Known {
		if i.Open() && slices.Contains(observed, i.Kind) && !l.found(i) {
			l.End(i, incident.ByDelivery, bounce.Stamp(l.Now))
		}
	}
}

// found reports whether an incident was found again by this look.
func (l *look) found(i *incident.Incident) bool {
	return slices.ContainsFunc(l.Findings, func(f incident.Finding) bool { return f.Cause == i.Cause() })
}
