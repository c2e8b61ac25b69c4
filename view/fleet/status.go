// Package fleet shows what the PostgreSQL database of a fleet holds.
package fleet

import (
	"cmp"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/view/table"
)

// StatusColumns are the columns of the list of hosts.
var StatusColumns = []table.Column{
	{Key: "instance", Long: true},
	{Key: "version", Keep: 1, Long: true},
	{Key: "seen"},
	{Key: "behind"},
	{Key: "log"},
	{Key: "gaps", Keep: 2},
	{Key: "failures"},
	{Key: "problem", Long: true},
}

// StatusCells returns a row of the list of hosts.
func StatusCells(i *fleet.InstanceStatus) []any {
	line, problem := "never", cmp.Or(i.Host().Problem(), "none")
	if i.CoveredBy != "" && problem == "none" {
		problem = "none, " + i.CoveredBy + " counts the same logs"
	}
	if i.LineAgo >= 0 {
		line = ago(i.LineAgo)
	}
	if i.ToForget > 0 && !i.Silent {
		problem = "has still to forget " + text.Amount(int(i.ToForget), "address")
	}
	behind := any(i.Behind)
	if i.Silent { // what it has now is not known
		behind, line = "?", "?"
	}
	if i.Removed {
		behind, line = "-", "-"
	}
	return []any{i.Instance, i.Version, ago(i.SeenAgo), behind, line, i.Gaps, i.Failures, problem}
}

func ago(seconds int64) string { return text.Age(time.Duration(seconds) * time.Second) }
