// Package tally counts the records of a transaction: attempts by provider and five
// minutes, failures by day and reason, metrics, and the problems of the sender. It
// decides what counts as what. Package sqlite stores the numbers.
package tally

import (
	"cmp"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Tally is what a transaction counts.
type Tally struct {
	Windows map[WindowKey]*Window
	Reasons map[ReasonKey]int64
	Metrics Metrics
	States  map[bounce.State]int64 // how many more recipients are in each

	now    int64 // Unix milliseconds
	named  NamedDomains
	delays delays
}

// New returns an empty tally. Now is in Unix milliseconds. The named domains may get
// further days later.
func New(now int64, named NamedDomains) *Tally {
	return &Tally{
		Windows: make(map[WindowKey]*Window), Reasons: make(map[ReasonKey]int64), Metrics: make(Metrics),
		States: make(map[bounce.State]int64), now: now, named: named,
	}
}

// Finish returns the metrics, once everything is counted.
func (t *Tally) Finish() Metrics {
	for _, w := range t.Windows {
		if w.live > 0 {
			t.Metrics.add(w.live, bounce.MetricAttempts, string(bounce.Sent), w.slug)
		}
	}
	t.delays.addTo(t.Metrics)
	return t.Metrics
}

// ReasonKey is what failures of a day have in common.
type ReasonKey struct {
	Day      int // see bounce.EpochDay
	Provider string
	Category bounce.Category
	Reason   bounce.Reason
	Scope    bounce.Scope
}

// ReasonOf returns the key of a failure at a time in Unix milliseconds.
func ReasonOf(at int64, v *bounce.Verdict) ReasonKey {
	return ReasonKey{bounce.EpochDay(at), cmp.Or(v.Provider, bounce.OtherValue), v.Category, v.Reason, v.Scope}
}

// Reason adds failures of a key, or subtracts them.
func (t *Tally) Reason(k ReasonKey, n int64) {
	before, known := t.Reasons[k]
	if !known {
		// Else they keep the whole record.
		k.Provider, k.Category = strings.Clone(k.Provider), bounce.Category(strings.Clone(string(k.Category)))
		k.Reason, k.Scope = bounce.Reason(strings.Clone(string(k.Reason))), bounce.Scope(strings.Clone(string(k.Scope)))
	}
	t.Reasons[k] = before + n
}
