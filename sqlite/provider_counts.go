package sqlite

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// windowSeconds is the length of the windows that attempts are counted in. Those of
// incident.Window are the same.
const windowSeconds = 300

// windowKey is a row of provider_windows.
type windowKey struct {
	start    int64 // Unix seconds
	provider string
}

type windowCounts struct {
	sent, deferred, bounced, expired, tried, refused int64

	slug string // the provider's, or bounce.OtherValue: as metrics name it
	// live counts those of sent that do not count as imported.
	live int64
}

// lastWindow remembers the window of the last delivery of a provider or domain.
// Nearly always the next one is in the same.
type lastWindow struct {
	start int64
	of    *windowCounts
}

// window returns the counts of the window that a time in Unix milliseconds is in.
func (tx *Tx) window(at int64, slug, domain string) (w *windowCounts, start int64) {
	start = at/1000 - at/1000%windowSeconds
	if at < 0 {
		start -= windowSeconds
	}
	k := windowKey{start, slug}
	if slug == "" {
		k.provider = bounce.OtherValue
		if name, large := tx.store.named[bounce.EpochDay(at)][domain]; large {
			k.provider = name
		}
	}
	w = tx.windows[k]
	if w == nil {
		w = &windowCounts{slug: cmp.Or(slug, bounce.OtherValue)}
		tx.windows[k] = w
	}
	return w, start
}

const (
	namedDomains  = 200 // that have windows of their own on a day
	maxNamedDays  = 30  // of which the names are remembered
	namedAttempts = 50  // that such a domain had at least, and one more, on the day before
)

// nameDomains finds the domains that have windows of their own on the days of a batch.
// It must be called before the batch is added, because nothing else can be asked
// meanwhile.
func (tx *Tx) nameDomains(b *bounce.Batch) error {
	last := math.MinInt
	name := func(at int64) error {
		day := bounce.EpochDay(at)
		if day == last {
			return nil
		}
		last = day
		if _, known := tx.store.named[day]; known {
			return nil
		}
		named, err := tx.largestDomains(day - 1)
		if err != nil {
			return err
		}
		if tx.store.named == nil {
			tx.store.named = make(map[int]map[string]string)
		}
		tx.store.named[day] = named
		return nil
	}
	if len(tx.store.named) > maxNamedDays {
		clear(tx.store.named)
	}
	for i := range b.Successes {
		if err := name(b.Successes[i].At); err != nil {
			return err
		}
	}
	for i := range b.Records.Len() {
		if err := name(b.Records.At(i).UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

// largestDomains returns the domains with most attempts on a day, stored and in this
// transaction.
func (tx *Tx) largestDomains(day int) (map[string]string, error) {
	attempts := make(map[string]int)
	for k, o := range tx.counts {
		if k.day == day {
			attempts[k.domain] = o.sent + o.deferred + o.bounced + o.expired
		}
	}
	err := sqldb.ScanAll(tx.ctx, tx.conn, `
		SELECT domain, sent + deferred + bounced + expired
		FROM daily_counts
		WHERE day = ? AND sent + deferred + bounced + expired > ?
		ORDER BY 2 DESC
		LIMIT ?`, func(scan func(...any) error) error {
		var domain string
		var n int
		err := scan(&domain, &n)
		attempts[domain] += n
		return err
	}, bounce.DayName(day), namedAttempts, 2*namedDomains)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(attempts, func(_ string, n int) bool { return n <= namedAttempts })
	largest := slices.SortedFunc(maps.Keys(attempts), func(a, b string) int {
		return cmp.Or(cmp.Compare(attempts[b], attempts[a]), cmp.Compare(a, b))
	})
	named := make(map[string]string)
	for _, domain := range largest[:min(len(largest), namedDomains)] {
		named[domain] = domain
	}
	delete(named, "")
	return named, nil
}

// countSent counts a new success in its window. last is by provider, and without one
// by domain.
func (tx *Tx) countSent(b *bounce.Batch, s *bounce.Success, last []lastWindow) {
	at := int(s.Provider)
	if at == 0 {
		at = len(b.Providers) + 1 + int(s.Domain)
	}
	l := &last[at]
	if second := s.At / 1000; l.of == nil || second < l.start || second >= l.start+windowSeconds {
		slug := ""
		if s.Provider > 0 {
			slug = b.Providers[s.Provider-1]
		}
		l.of, l.start = tx.window(s.At, slug, b.Domains[s.Domain])
	}
	l.of.sent++
	if s.First {
		l.of.tried++
	}
	if tx.isLive(s.At) {
		l.of.live++
	}
}

// countFailed counts a new failure in its window. Only a first attempt says something
// about the provider, and only if the provider was asked and the recipient is not the
// problem: else each retry, greylisting and list of dead addresses is an incident.
func (w *windowCounts) countFailed(r *bounce.Record) {
	switch r.Outcome {
	case bounce.Deferred:
		w.deferred++
	case bounce.Bounced:
		w.bounced++
	case bounce.Expired:
		w.expired++
	case bounce.Sent: // never a record
	}
	if !r.First || r.Echo || r.Reason.AsIntended() {
		return
	}
	switch r.Scope {
	case bounce.ScopeSender, bounce.ScopeNetwork, bounce.ScopeMessage, bounce.ScopeDomain:
		w.tried++
		w.refused++
	case bounce.ScopeRecipient, bounce.ScopeLocal:
	}
}

func (tx *Tx) saveWindows() error {
	keys := slices.SortedFunc(maps.Keys(tx.windows), func(a, b windowKey) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.provider, b.provider))
	})
	return tx.each(len(keys), `
		INSERT INTO provider_windows (span, start, provider, sent, deferred, bounced, expired, tried, refused) VALUES (300, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (span, start, provider) DO UPDATE SET
		  sent = sent + excluded.sent, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced,
		  expired = expired + excluded.expired, tried = tried + excluded.tried, refused = refused + excluded.refused`,
		func(i int, p *params) {
			w := tx.windows[keys[i]]
			p.Add(keys[i].start)
			p.Add(keys[i].provider)
			for _, n := range [...]int64{w.sent, w.deferred, w.bounced, w.expired, w.tried, w.refused} {
				p.Add(n)
			}
			if w.live > 0 {
				tx.metrics.add(w.live, bounce.MetricAttempts, string(bounce.Sent), w.slug)
			}
		}, nil)
}
