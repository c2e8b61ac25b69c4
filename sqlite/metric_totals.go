package sqlite

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// importedAfter is the distance from the clock at which a delivery counts as imported.
// Else a backlog would look like a peak of today.
const importedAfter = 15 * time.Minute

// metricKey is a series of metric_totals. Its values are those of the labels, in their
// order.
type metricKey struct {
	name   string
	values [4]string
}

// metricCounts is what a transaction adds to metric_totals.
type metricCounts map[metricKey]int64

func (m metricCounts) add(n int64, name string, values ...string) {
	k := metricKey{name: name}
	copy(k.values[:], values)
	if _, known := m[k]; !known {
		for i, v := range k.values {
			k.values[i] = strings.Clone(v) // else they keep the whole record
		}
	}
	m[k] += n
}

// observe adds a duration to a histogram.
func (m metricCounts) observe(name string, d time.Duration) {
	for _, limit := range bounce.FindMetric(name).Buckets {
		if d.Seconds() <= limit {
			m.add(1, name+"_bucket", strconv.FormatFloat(limit, 'g', -1, 64))
		}
	}
	m.add(1, name+"_count")
	m.add(d.Microseconds(), name+"_sum")
}

// delays counts the times from stamps to the commit. A transaction has many of them,
// so they are counted in an array.
type delays struct {
	buckets []float64 // their limits, in seconds
	counts  []int64   // of each bucket and of the infinite one; not cumulative
	sum     time.Duration
}

func (d *delays) observe(delay time.Duration) {
	if d.counts == nil {
		d.buckets = bounce.FindMetric(bounce.MetricEventDelay).Buckets
		d.counts = make([]int64, len(d.buckets)+1)
	}
	delay = max(delay, 0) // a stamp of the future
	i := 0
	for i < len(d.buckets) && delay.Seconds() > d.buckets[i] {
		i++
	}
	d.counts[i]++
	d.sum += delay
}

func (d *delays) addTo(m metricCounts) {
	total := int64(0)
	for i, n := range d.counts {
		total += n
		if total > 0 && i < len(d.buckets) {
			m.add(total, bounce.MetricEventDelay+"_bucket", strconv.FormatFloat(d.buckets[i], 'g', -1, 64))
		}
	}
	if total > 0 {
		m.add(total, bounce.MetricEventDelay+"_count")
		m.add(d.sum.Microseconds(), bounce.MetricEventDelay+"_sum")
	}
}

// isLive reports whether a time in Unix milliseconds is near the clock. If so, its
// delay is counted.
func (tx *Tx) isLive(at int64) bool {
	delay := time.Duration(tx.nowMS-at) * time.Millisecond
	if delay.Abs() > importedAfter {
		return false
	}
	tx.delays.observe(delay)
	return true
}

// countFailure counts a new failure in all that is counted of failures.
func (tx *Tx) countFailure(r *bounce.Record) {
	at := r.At.UnixMilli()
	w, _ := tx.window(at, r.Provider, r.To.Domain)
	w.countFailed(r)
	tx.countReason(reasonOf(at, &r.Verdict), 1)
	if r.Blocklist != "" {
		tx.metrics.add(1, bounce.MetricBlocklist, bounce.BlocklistLabel(r.Blocklist))
	}
	if !tx.isLive(at) {
		tx.metrics.add(1, bounce.MetricImportedFailures, string(r.Category))
		return
	}
	tx.metrics.add(1, bounce.MetricAttempts, string(r.Outcome), w.slug)
	tx.metrics.add(1, bounce.MetricFailures, string(r.Category), string(r.Disposition), string(r.Reason), string(r.Scope))
	tx.metrics.add(1, bounce.MetricProviderFailures, string(r.Category), w.slug)
}

// countImported counts the attempts that are in daily_counts and are not counted as
// live.
func (tx *Tx) countImported() {
	counts := make(map[bounce.Outcome]int64)
	for _, o := range tx.counts {
		counts[bounce.Sent] += int64(o.sent)
		counts[bounce.Deferred] += int64(o.deferred)
		counts[bounce.Bounced] += int64(o.bounced)
		counts[bounce.Expired] += int64(o.expired)
	}
	for k, n := range tx.metrics {
		if k.name == bounce.MetricAttempts {
			counts[bounce.Outcome(k.values[0])] -= n
		}
	}
	for _, w := range tx.windows {
		counts[bounce.Sent] -= w.live
	}
	for outcome, n := range counts {
		if n > 0 {
			tx.metrics.add(n, bounce.MetricImportedAttempts, string(outcome))
		}
	}
}

// countState counts a recipient whose row is another.
func (tx *Tx) countState(r *recipientRow) {
	if r.was.State != "" {
		tx.states[r.was.State]--
	}
	tx.states[r.row.State]++
	wasBad, isBad := r.was.State == bounce.StateBad, r.row.State == bounce.StateBad
	switch {
	case isBad && !wasBad:
		tx.metrics.add(1, bounce.MetricTurnedBad, string(r.row.Reason))
	case wasBad && !isBad:
		tx.metrics.add(1, bounce.MetricRecovered, string(r.row.DecidedBy))
	}
}

// uncountStates takes recipients that are about to be deleted out of the counts.
func (tx *Tx) uncountStates(keys []int64) error {
	return sqldb.ScanAll(tx.ctx, tx.conn, "SELECT state, count(*) FROM recipients WHERE recipient_key IN (SELECT value FROM json_each(?)) GROUP BY state",
		func(scan func(...any) error) error {
			var state bounce.State
			var n int64
			err := scan(&state, &n)
			tx.states[state] -= n
			return err
		}, sqldb.NumberList(keys))
}

// saveStates keeps the numbers of recipients by state in meta, so that nobody has to
// look through the table for them.
func (tx *Tx) saveStates() error {
	for state, n := range tx.states {
		if n == 0 {
			continue
		}
		_, err := tx.conn.ExecContext(tx.ctx, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", query.StateCount+string(state), n)
		if err != nil {
			return err
		}
	}
	return nil
}

// countReading counts what a batch says about the logs.
func (tx *Tx) countReading(b *bounce.Batch) {
	for _, r := range b.Read {
		tx.metrics.add(r.Lines, bounce.MetricReadLines, r.Source)
		tx.metrics.add(r.Bytes, bounce.MetricReadBytes, r.Source)
	}
	for _, g := range b.Gaps {
		tx.metrics.add(1, bounce.MetricGaps, g.Source)
		tx.metrics.add(max(g.Bytes, 0), bounce.MetricGapBytes, g.Source)
	}
	for _, u := range b.Unparsed {
		tx.metrics.add(int64(u.Count), bounce.MetricUnparsed, string(u.MTA))
	}
}

func (tx *Tx) saveMetrics() error {
	tx.delays.addTo(tx.metrics)
	keys := slices.SortedFunc(maps.Keys(tx.metrics), func(a, b metricKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), slices.Compare(a.values[:], b.values[:]))
	})
	return tx.each(len(keys), "INSERT INTO metric_totals (name, labels, value) VALUES (?, ?, ?) ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value",
		func(i int, p *params) {
			p.Add(keys[i].name)
			p.Add(keys[i].labels())
			p.Add(tx.metrics[keys[i]])
		}, nil)
}

// labels returns the labels of a series as they are stored.
func (k *metricKey) labels() string {
	if strings.HasSuffix(k.name, "_bucket") {
		return `le="` + k.values[0] + `"`
	}
	if strings.HasSuffix(k.name, "_count") || strings.HasSuffix(k.name, "_sum") {
		return ""
	}
	return bounce.FindMetric(k.name).LabelsOf(k.values[:]...)
}
