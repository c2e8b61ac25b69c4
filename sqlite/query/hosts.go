package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Host is a host of a fleet.
type Host struct {
	Name     string     `json:"host"`
	Number   int64      `json:"number"`
	SeenAgo  int64      `json:"seen_seconds_ago"`
	Behind   int64      `json:"behind"`       // failures that were still to be sent when it was last seen
	LastLine *time.Time `json:"last_line_at"` // when one of its logs last grew
}

// SilentAfter is how long a host may not be seen before it counts as silent.
const SilentAfter = 15 * time.Minute

// Silent reports whether a host does not send.
func (h *Host) Silent() bool { return h.SeenAgo > int64(SilentAfter/time.Second) }

// Hosts returns the hosts of a fleet, by name. The database of a host has none.
func (r *Reader) Hosts(ctx context.Context) (hosts []Host, err error) {
	if !r.IsFleet() {
		return nil, nil
	}
	err = sqldb.ScanAll(ctx, r.db, "SELECT host, number, seen_ago, behind, last_line_at FROM hosts ORDER BY host", func(scan func(...any) error) error {
		var h Host
		var line *string
		err := scan(&h.Name, &h.Number, &h.SeenAgo, &h.Behind, &line)
		if line != nil {
			at := bounce.ParseStamp(*line)
			h.LastLine = &at
		}
		hosts = append(hosts, h)
		return err
	})
	return hosts, err
}

// HostOfIncident returns the host of an incident of a fleet, and the number of the incident
// there.
func HostOfIncident(id int64) (number, own int64) { return id % 10_000, id / 10_000 }

// InState returns the number of recipients in a state.
func (r *Reader) InState(ctx context.Context, state bounce.State) (n int, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT coalesce(sum(value), 0) FROM meta WHERE name = ?", StateCount+string(state)).Scan(&n)
	return n, err
}
