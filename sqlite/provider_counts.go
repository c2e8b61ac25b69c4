package sqlite

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/tally"
)

// nameDomains finds the domains that have separate windows on the days of a batch.
// It must be called before the batch is added, because nothing else can be asked
// meanwhile.
func (tx *Tx) nameDomains(b *bounce.Batch) error {
	named := tx.store.named
	named.Trim()
	for _, day := range tally.DaysOf(b) {
		if _, known := named[day]; known {
			continue
		}
		largest, err := tx.largestDomains(day - 1)
		if err != nil {
			return err
		}
		named[day] = largest
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
	}, bounce.DayName(day), tally.MinAttempts, tally.MaxCandidates)
	if err != nil {
		return nil, err
	}
	return tally.Largest(attempts), nil
}

func (tx *Tx) saveWindows() error {
	keys := slices.SortedFunc(maps.Keys(tx.tally.Windows), func(a, b tally.WindowKey) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Provider, b.Provider))
	})
	return tx.each(len(keys), `
		INSERT INTO provider_windows (span, start, provider, sent, deferred, bounced, expired, tried, refused) VALUES (300, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (span, start, provider) DO UPDATE SET
		  sent = sent + excluded.sent, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced,
		  expired = expired + excluded.expired, tried = tried + excluded.tried, refused = refused + excluded.refused`,
		func(i int, p *params) {
			w := tx.tally.Windows[keys[i]]
			p.Add(keys[i].Start)
			p.Add(keys[i].Provider)
			for _, n := range [...]int64{w.Sent, w.Deferred, w.Bounced, w.Expired, w.Tried, w.Refused} {
				p.Add(n)
			}
		}, nil)
}
