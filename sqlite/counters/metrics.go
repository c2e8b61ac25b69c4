package counters

import (
	"cmp"
	"slices"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/tally"
)

// SaveMetrics adds counts to metric_totals.
func SaveMetrics(each Each, metrics tally.Metrics) error {
	type series struct {
		name, labels string
		n            int64
	}
	all := make([]series, 0, len(metrics))
	for key, n := range metrics {
		all = append(all, series{key.Name, key.Labels(), n})
	}
	slices.SortFunc(all, func(a, b series) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.labels, b.labels))
	})
	return each(len(all), `
		INSERT INTO metric_totals (name, labels, value)
		VALUES (?, ?, ?)
		ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value`,
		func(i int, p *sqldb.Params) {
			p.Add(all[i].name)
			p.Add(all[i].labels)
			p.Add(all[i].n)
		}, nil)
}
