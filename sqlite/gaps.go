package sqlite

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
)

// The columns of gaps.
var gapColumns = columns[bounce.Gap]{
	required("noticed_at", func(g *bounce.Gap) any { return &g.At }),
	required("source", func(g *bounce.Gap) any { return &g.Source }),
	required("path", func(g *bounce.Gap) any { return &g.Path }),
	required("bytes", func(g *bounce.Gap) any { return &g.Bytes }),
	required("why", func(g *bounce.Gap) any { return &g.Why }),
}

func (tx *Tx) saveGaps(gaps []bounce.Gap) error {
	return tx.each(len(gaps), gapColumns.insert("INSERT", "gaps"), func(i int, p *params) { gapColumns.bind(p, &gaps[i]) }, nil)
}

// Gaps returns the stretches of log that were destroyed before they could be
// read, by source and cause, with the number of each.
func (r *Reader) Gaps(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, `
		SELECT source || ': ' || why || CASE WHEN sum(bytes > 0) THEN '; ' || sum(max(bytes, 0)) || ' bytes' ELSE '' END
		  || CASE WHEN sum(bytes < 0) = count(*) THEN '; how much, nobody can know' ELSE '' END, count(*)
		FROM gaps
		GROUP BY source, why
		ORDER BY 2 DESC, 1`)
}
