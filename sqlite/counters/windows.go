package counters

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/tally"
)

// addToWindow has an insert add to a window that is stored.
const addToWindow = `
	ON CONFLICT (span, start, provider) DO UPDATE SET
	  sent = sent + excluded.sent, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced,
	  expired = expired + excluded.expired, tried = tried + excluded.tried, refused = refused + excluded.refused`

// SaveWindows adds counts to provider_windows.
func SaveWindows(each Each, windows map[tally.WindowKey]*tally.Window) error {
	keys := slices.SortedFunc(maps.Keys(windows), func(a, b tally.WindowKey) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Provider, b.Provider))
	})
	return each(len(keys), `
		INSERT INTO provider_windows (span, start, provider, sent, deferred, bounced, expired, tried,
		    refused)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) `+addToWindow,
		func(i int, p *sqldb.Params) {
			w := windows[keys[i]]
			p.Add(int64(tally.WindowSeconds))
			p.Add(keys[i].Start)
			p.Add(keys[i].Provider)
			for _, n := range [...]int64{w.Sent, w.Deferred, w.Bounced, w.Expired, w.Tried, w.Refused} {
				p.Add(n)
			}
		}, nil)
}

// AddBusiest adds to attempts the stored attempts of the domains that have most of them
// on a day, as of bounce.EpochDay. They are enough for tally.Largest.
func AddBusiest(ctx context.Context, db sqldb.Querier, day int, attempts map[string]int) error {
	return sqldb.ScanAll(ctx, db, `
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
}

// A RollUp adds up windows of an age to longer ones.
type RollUp struct {
	from, to int64 // spans, in seconds
	age      time.Duration
}

// RollUps are made one after the other. Old windows matter for charts only.
var RollUps = []RollUp{
	{tally.WindowSeconds, 3600, 14 * 24 * time.Hour},
	{3600, 86400, 90 * 24 * time.Hour},
}

// FirstDay adds up the windows of the first day that has some of that age, and reports
// whether there were any.
func (r RollUp) FirstDay(ctx context.Context, db sqldb.Querier, now time.Time) (more bool, err error) {
	before := now.Add(-r.age).Unix()
	before -= before % r.to
	var day int64
	err = db.QueryRowContext(ctx, `
		SELECT coalesce(min(start - start % 86400), ?)
		FROM provider_windows
		WHERE span = ? AND start < ?`, before, r.from, before).Scan(&day)
	if err != nil || day >= before {
		return false, err
	}
	end := min(day+86400, before)
	_, err = db.ExecContext(ctx, `
		INSERT INTO provider_windows (span, start, provider, sent, deferred, bounced, expired, tried,
		    refused)
		SELECT ?1, start - start % ?1, provider, sum(sent), sum(deferred), sum(bounced), sum(expired),
		    sum(tried), sum(refused)
		FROM provider_windows
		WHERE span = ?2 AND start >= ?3 AND start < ?4
		GROUP BY 2, 3 `+addToWindow, r.to, r.from, day, end)
	if err != nil {
		return false, err
	}
	_, err = db.ExecContext(ctx, `
		DELETE FROM provider_windows
		WHERE span = ? AND start >= ? AND start < ?`, r.from, day, end)
	return true, err
}
