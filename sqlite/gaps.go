package sqlite

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var gapColumns = sqldb.Columns[bounce.Gap]{
	sqldb.Required("noticed_at", func(g *bounce.Gap) any { return (*query.Time)(&g.At) }),
	sqldb.Required("source", func(g *bounce.Gap) any { return &g.Source }),
	sqldb.Required("path", func(g *bounce.Gap) any { return &g.Path }),
	sqldb.Required("bytes", func(g *bounce.Gap) any { return &g.Bytes }),
	sqldb.Required("why", func(g *bounce.Gap) any { return &g.Why }),
}

func (tx *Tx) saveGaps(gaps []bounce.Gap) error {
	return tx.each(len(gaps), gapColumns.Insert("INSERT", "gaps"), func(i int, p *params) { gapColumns.Bind(p, &gaps[i]) }, nil)
}
