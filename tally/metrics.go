package tally

import (
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// importedAfter is the distance from the clock at which a delivery counts as imported.
// Else a backlog would look like a peak of today.
const importedAfter = 15 * time.Minute

// MetricKey is a series. Its values are those of the labels, in their order.
type MetricKey struct {
	Name   string
	values [4]string
}

// Metrics is how much each series grows.
type Metrics map[MetricKey]int64

func (m Metrics) add(n int64, name string, values ...string) {
	k := MetricKey{Name: name}
	copy(k.values[:], values)
	before, known := m[k]
	if !known {
		for i, v := range k.values {
			k.values[i] = strings.Clone(v) // else they keep the whole record
		}
	}
	m[k] = before + n
}

// Observe adds a duration to a histogram.
func (m Metrics) Observe(name string, d time.Duration) {
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

func (d *delays) addTo(m Metrics) {
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
func (t *Tally) isLive(at int64) bool {
	delay := time.Duration(t.now-at) * time.Millisecond
	if delay.Abs() > importedAfter {
		return false
	}
	t.delays.observe(delay)
	return true
}

// Failure counts a new failure.
func (t *Tally) Failure(r *bounce.Record) {
	at := r.At.UnixMilli()
	w, _ := t.window(at, r.Provider, r.To.Domain)
	w.countFailed(r)
	t.Reason(ReasonOf(at, &r.Verdict), 1)
	if r.Blocklist != "" {
		t.Metrics.add(1, bounce.MetricBlocklist, bounce.BlocklistLabel(r.Blocklist))
	}
	if !t.isLive(at) {
		t.Metrics.add(1, bounce.MetricImportedFailures, string(r.Category))
		return
	}
	t.Metrics.add(1, bounce.MetricAttempts, string(r.Outcome), w.slug)
	t.Metrics.add(1, bounce.MetricFailures, string(r.Category), string(r.Disposition), string(r.Reason), string(r.Scope))
	t.Metrics.add(1, bounce.MetricProviderFailures, string(r.Category), w.slug)
	switch {
	case r.MTA != bounce.Postfix:
	case r.Outcome == bounce.Deferred:
		t.Metrics.add(1, bounce.MetricDeferredByDSN, bounce.DSNLabel(r.DSN))
	case r.Outcome == bounce.Bounced:
		t.Metrics.add(1, bounce.MetricBouncedByDSN, bounce.DSNLabel(r.DSN))
	}
}

// Imported counts the attempts by outcome that are not counted as live, of all that are
// given.
func (t *Tally) Imported(counts map[bounce.Outcome]int64) {
	for k, n := range t.Metrics {
		if k.Name == bounce.MetricAttempts {
			counts[bounce.Outcome(k.values[0])] -= n
		}
	}
	for _, w := range t.Windows {
		counts[bounce.Sent] -= w.live
	}
	for outcome, n := range counts {
		if n > 0 {
			t.Metrics.add(n, bounce.MetricImportedAttempts, string(outcome))
		}
	}
}

// State counts a recipient whose row changed. A row that did not exist has no state.
func (t *Tally) State(was bounce.State, is bounce.State, reason bounce.Reason, by bounce.Decider) {
	if was != "" {
		t.States[was]--
	}
	t.States[is]++
	wasBad, isBad := was == bounce.StateBad, is == bounce.StateBad
	switch {
	case isBad && !wasBad:
		t.Metrics.add(1, bounce.MetricTurnedBad, string(reason))
	case wasBad && !isBad:
		t.Metrics.add(1, bounce.MetricRecovered, string(by))
	}
}

// Reading counts the lines that were read for a batch, and the gaps.
func (t *Tally) Reading(b *bounce.Batch) {
	for _, r := range b.Read {
		t.Metrics.add(r.Lines, bounce.MetricReadLines, r.Source)
		t.Metrics.add(r.Bytes, bounce.MetricReadBytes, r.Source)
	}
	for _, g := range b.Gaps {
		t.Metrics.add(1, bounce.MetricGaps, g.Source)
		t.Metrics.add(max(g.Bytes, 0), bounce.MetricGapBytes, g.Source)
	}
}

// Unparsed counts the lines that were not parsed.
func (t *Tally) Unparsed(unparsed []bounce.Unparsed) {
	for i := range unparsed {
		t.Metrics.add(int64(len(unparsed[i].Lines)), bounce.MetricUnparsed, string(unparsed[i].MTA))
	}
}

// Labels returns the labels of a series as they are stored.
func (k *MetricKey) Labels() string {
	if strings.HasSuffix(k.Name, "_bucket") {
		return `le="` + k.values[0] + `"`
	}
	if strings.HasSuffix(k.Name, "_count") || strings.HasSuffix(k.Name, "_sum") {
		return ""
	}
	return bounce.FindMetric(k.Name).LabelsOf(k.values[:]...)
}
