package query

import (
	"context"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/internal/text"
)

// Host is a host of a fleet.
type Host struct {
	Name     string     `json:"host"`
	Number   int64      `json:"number"`
	SeenAgo  int64      `json:"seen_seconds_ago"`
	Behind   int64      `json:"behind"`       // failures that were still to be sent when it was last seen
	LastLine *time.Time `json:"last_line_at"` // when one of its logs last grew
	Missed   int64      `json:"missed"`       // failures that it has deleted before they were sent
	Removed  bool       `json:"removed"`      // it is gone for good
	// Twice are failures of the last week that count twice in the counters, because the hosts
	// SharesWith have read them as well.
	Twice      int64  `json:"counted_twice"`
	SharesWith string `json:"shares_with"`
}

// SilentAfter is how long a host may not be seen before it counts as silent.
const SilentAfter = 15 * time.Minute

// Silent reports whether a host does not send.
func (h *Host) Silent() bool { return !h.Removed && h.SeenAgo > int64(SilentAfter/time.Second) }

// Problem returns what is wrong with a host, or an empty text.
func (h *Host) Problem() string {
	switch {
	case h.Removed:
		return "removed"
	case h.Silent():
		return "silent: is bouncetail-fleet.service running there?"
	case h.Missed > 0:
		return text.Amount(int(h.Missed), "failure") + " deleted there before they were sent"
	case h.Twice > 0:
		return fmt.Sprintf("shares a log with %s: counters of 7 days count %s twice", h.SharesWith, text.Amount(int(h.Twice), "failure"))
	}
	return ""
}

// Hosts returns the hosts of a fleet, by name. The database of a host has none.
func (r *Reader) Hosts(ctx context.Context) (hosts []Host, err error) {
	if !r.IsFleet() {
		return nil, nil
	}
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT host, number, seen_ago, behind, last_line_at, missed, twice, coalesce(shares_with, ''),
		    removed
		FROM hosts
		ORDER BY host`, func(scan func(...any) error) error {
		var h Host
		var line *string
		err := scan(&h.Name, &h.Number, &h.SeenAgo, &h.Behind, &line, &h.Missed, &h.Twice, &h.SharesWith, &h.Removed)
		if line != nil {
			at := bounce.ParseStamp(*line)
			h.LastLine = &at
		}
		hosts = append(hosts, h)
		return err
	})
	return hosts, err
}

// incidentsWidth is by how much the number of an incident is multiplied in the view
// incidents of a fleet, to which the number of its host is added.
const incidentsWidth = 10_000

// IncidentOf returns the host of an incident of a fleet, nil if there is none, and the
// number that the incident has there.
func IncidentOf(hosts []Host, id int64) (host *Host, number int64) {
	for i := range hosts {
		if hosts[i].Number == id%incidentsWidth {
			return &hosts[i], id / incidentsWidth
		}
	}
	return nil, id
}

// IncidentID returns the number in a fleet of an incident of the host with a name. It is
// the one that it has there if the name is empty or of no host.
func IncidentID(hosts []Host, name string, number int64) int64 {
	for i := range hosts {
		if hosts[i].Name == name {
			return number*incidentsWidth + hosts[i].Number
		}
	}
	return number
}

// IncidentName returns the name of an incident as it is shown: its number, in a fleet
// HOST/NUMBER.
func IncidentName(hosts []Host, id int64) string {
	if host, number := IncidentOf(hosts, id); host != nil {
		return fmt.Sprintf("%s/%d", host.Name, number)
	}
	return fmt.Sprintf("#%d", id)
}

// Suspect returns the number of suspect recipients, which an index has.
func (r *Reader) Suspect(ctx context.Context) (n int, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT count(*) FROM recipients WHERE state = 'suspect'").Scan(&n)
	return n, err
}
