package counters

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/tally"
)

// SaveMetrics adds counts to metric_totals.
func SaveMetrics(each Each, metrics tally.Metrics) error {
	keys := slices.SortedFunc(maps.Keys(metrics), func(a, b tally.MetricKey) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels(), b.Labels()))
	})
	return each(len(keys), "INSERT INTO metric_totals (name, labels, value) VALUES (?, ?, ?) ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value",
		func(i int, p *sqldb.Params) {
			p.Add(keys[i].Name)
			p.Add(keys[i].Labels())
			p.Add(metrics[keys[i]])
		}, nil)
}
