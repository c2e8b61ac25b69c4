// Package counters writes what package tally has counted: the sums by day that pages and
// reports read instead of all failures, the windows of providers, and the metrics. Their
// rows are few.
package counters

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/tally"
)

// Each runs a statement n times in the transaction of the records, with the parameters
// that bind adds. It calls found for each row, if that is not nil.
type Each func(n int, query string, bind func(i int, p *sqldb.Params), found func(i int, values []driver.Value) error) error

// SaveReasons adds counts to daily_reasons. They may be negative.
func SaveReasons(each Each, counts map[tally.ReasonKey]int64) error {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b tally.ReasonKey) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Category, b.Category),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Scope, b.Scope))
	})
	text := func(k *tally.ReasonKey, p *sqldb.Params) {
		p.Add(bounce.DayName(k.Day))
		for _, text := range [...]string{k.Provider, string(k.Category), string(k.Reason), string(k.Scope)} {
			p.Add(text)
		}
	}
	more := slices.DeleteFunc(slices.Clone(keys), func(k tally.ReasonKey) bool { return counts[k] < 0 })
	less := slices.DeleteFunc(keys, func(k tally.ReasonKey) bool { return counts[k] > 0 })
	return errors.Join(
		each(len(more), `
			INSERT INTO daily_reasons (day, provider, category, reason, scope, failures) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (day, provider, category, reason, scope) DO UPDATE SET failures = failures + excluded.failures`,
			func(i int, p *sqldb.Params) {
				text(&more[i], p)
				p.Add(counts[more[i]])
			}, nil),
		each(len(less), `
			UPDATE daily_reasons
			SET failures = max(failures + ?, 0)
			WHERE day = ? AND provider = ? AND category = ? AND reason = ? AND scope = ?`,
			func(i int, p *sqldb.Params) {
				p.Add(counts[less[i]])
				text(&less[i], p)
			}, nil))
}

// Totals are the attempts by day, as of bounce.EpochDay.
type Totals map[int]*Total

// Total are the attempts of a day.
type Total struct{ sent, deferred, bounced, expired int64 }

// Add counts attempts.
func (t Totals) Add(day, sent, deferred, bounced, expired int) {
	o := t[day]
	if o == nil {
		o = &Total{}
		t[day] = o
	}
	o.sent += int64(sent)
	o.deferred += int64(deferred)
	o.bounced += int64(bounced)
	o.expired += int64(expired)
}

// Outcomes returns the counts of all days by outcome.
func (t Totals) Outcomes() map[bounce.Outcome]int64 {
	counts := make(map[bounce.Outcome]int64)
	for _, o := range t {
		counts[bounce.Sent] += o.sent
		counts[bounce.Deferred] += o.deferred
		counts[bounce.Bounced] += o.bounced
		counts[bounce.Expired] += o.expired
	}
	return counts
}

// Save adds the counts to daily_totals.
func (t Totals) Save(each Each) error {
	days := slices.Sorted(maps.Keys(t))
	return each(len(days), `
		INSERT INTO daily_totals (day, sent, deferred, bounced, expired) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (day) DO UPDATE SET
		  sent = sent + excluded.sent, deferred = deferred + excluded.deferred,
		  bounced = bounced + excluded.bounced, expired = expired + excluded.expired`,
		func(i int, p *sqldb.Params) {
			o := t[days[i]]
			p.Add(bounce.DayName(days[i]))
			for _, n := range [...]int64{o.sent, o.deferred, o.bounced, o.expired} {
				p.Add(n)
			}
		}, nil)
}
