// Package metrics turns what the database counts into metrics for Prometheus. The
// names, labels and texts are in package bounce, the counters in the table
// metric_totals, which is written in the transaction of what is counted.
//
// Every series whose labels come from a table exists from the first scrape on, with 0.
// No label has a value that a stranger chooses.
package metrics

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// prefix begins every name.
const prefix = "bouncetail_"

// Formats are the formats of Write.
var Formats = []string{"text", "openmetrics"}

// Source is what metrics are read from.
type Source struct {
	DB       sqldb.Querier
	Path     string // of the database
	Version  string
	Revision string
	Compat   []string // other exporters whose names are exposed too
}

// Write writes all metrics in a format.
func Write(ctx context.Context, s Source, w io.Writer, format string) error {
	families, err := readFamilies(ctx, s)
	if err != nil {
		return err
	}
	f := expfmt.NewFormat(expfmt.TypeTextPlain)
	if format == "openmetrics" {
		f = expfmt.NewFormat(expfmt.TypeOpenMetrics)
	}
	buffered := bufio.NewWriter(w)
	encoder := expfmt.NewEncoder(buffered, f)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil { // "# EOF"
			return err
		}
	}
	return buffered.Flush()
}

// WriteFile writes all metrics to a file that any user may read, whole or not at all.
func WriteFile(ctx context.Context, s Source, path, format string) error {
	f, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = f.Abort() }()       // after Commit it does nothing
	if err := f.Chmod(0o644); err != nil { // whatever an older file has
		return err
	}
	if err := Write(ctx, s, f, format); err != nil {
		return err
	}
	return f.Commit()
}

// Revision returns the commit of the program, or an empty text.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// readFamilies returns all metrics. Those without a series are left out.
func readFamilies(ctx context.Context, s Source) ([]*dto.MetricFamily, error) {
	totals, err := readTotals(ctx, s.DB)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	totals[bounce.MetricProcessed] = processed(totals[bounce.MetricAttempts])
	gauges, err := s.readGauges(ctx)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	var families []*dto.MetricFamily
	for i := range bounce.Metrics {
		m := &bounce.Metrics[i]
		if m.Exporter != "" && !slices.Contains(s.Compat, m.Exporter) {
			continue
		}
		f := &dto.MetricFamily{Name: new(fullName(m)), Help: new(m.Help)}
		switch m.Type {
		case bounce.Counter:
			f.Type = dto.MetricType_COUNTER.Enum()
			f.Metric = counters(m, totals[m.Name])
		case bounce.Gauge:
			f.Type = dto.MetricType_GAUGE.Enum()
			for _, labels := range slices.Sorted(maps.Keys(gauges[m.Name])) {
				f.Metric = append(f.Metric, &dto.Metric{Label: pairs(labels), Gauge: &dto.Gauge{Value: new(gauges[m.Name][labels])}})
			}
		case bounce.Histogram:
			f.Type = dto.MetricType_HISTOGRAM.Enum()
			f.Metric = []*dto.Metric{histogram(m, totals)}
		}
		if len(f.Metric) > 0 {
			families = append(families, f)
		}
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, nil
}

// fullName returns the name of a metric as it is exposed.
func fullName(m *bounce.Metric) string {
	name := m.Name
	if m.Exporter == "" {
		name = prefix + name
	}
	if m.Type == bounce.Counter {
		name += "_total"
	}
	return name
}

// readTotals returns the stored values by name and labels.
func readTotals(ctx context.Context, db sqldb.Querier) (map[string]map[string]float64, error) {
	totals := make(map[string]map[string]float64)
	err := sqldb.ScanAll(ctx, db, "SELECT name, labels, value FROM metric_totals", func(scan func(...any) error) error {
		var name, labels string
		var value float64
		err := scan(&name, &labels, &value)
		if totals[name] == nil {
			totals[name] = make(map[string]float64)
		}
		totals[name][labels] = value
		return err
	})
	return totals, err
}

// processed returns the attempts by status, as another exporter counts them.
func processed(attempts map[string]float64) map[string]float64 {
	m, all := bounce.FindMetric(bounce.MetricProcessed), make(map[string]float64)
	for labels, n := range attempts {
		for _, pair := range pairs(labels) {
			if pair.GetName() == "outcome" && slices.Contains(statuses, pair.GetValue()) {
				all[m.LabelsOf(pair.GetValue())] += n
			}
		}
	}
	return all
}

// counters returns the series of a counter, those without a row with 0.
func counters(m *bounce.Metric, rows map[string]float64) []*dto.Metric {
	all := make(map[string]float64)
	for _, values := range zeros(m.Name) {
		all[m.LabelsOf(values...)] = 0
	}
	maps.Copy(all, rows)
	var series []*dto.Metric
	for _, labels := range slices.Sorted(maps.Keys(all)) {
		series = append(series, &dto.Metric{Label: pairs(labels), Counter: &dto.Counter{Value: new(all[labels])}})
	}
	return series
}

func histogram(m *bounce.Metric, totals map[string]map[string]float64) *dto.Metric {
	h := &dto.Histogram{
		SampleCount: new(uint64(totals[m.Name+"_count"][""])),
		SampleSum:   new(totals[m.Name+"_sum"][""] / 1e6),
	}
	for _, limit := range m.Buckets {
		n := totals[m.Name+"_bucket"][`le="`+strconv.FormatFloat(limit, 'g', -1, 64)+`"`]
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(limit), CumulativeCount: new(uint64(n))})
	}
	return &dto.Metric{Histogram: h}
}

var unescaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// pairs parses labels as they are stored. Rows that other programs wrote may hold
// anything; what does not parse is left out.
func pairs(labels string) []*dto.LabelPair {
	var all []*dto.LabelPair
	for labels != "" {
		name, rest, found := strings.Cut(labels, `="`)
		if !found {
			return all
		}
		end := 0
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return all
		}
		all = append(all, &dto.LabelPair{Name: new(name), Value: new(unescaped.Replace(rest[:end]))})
		labels = strings.TrimPrefix(rest[end+1:], ",")
	}
	return all
}

// sizeOf returns the size of a file, or 0 if there is none.
func sizeOf(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

func goVersion() string { return runtime.Version() }
