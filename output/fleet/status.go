package fleet

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// InstanceStatus is how a host of the fleet is doing.
type InstanceStatus struct {
	Instance string `json:"instance"`
	Version  string `json:"version"`
	JoinedAt string `json:"joined_at"` // stored stamps
	LastSeen string `json:"last_seen"`
	LastLine string `json:"last_line_at"` // when a log last grew; empty if none was read
	Behind   int64  `json:"behind"`       // failures that were still to be sent when it was last seen
	Gaps     int64  `json:"gaps"`
	Failures int64  `json:"failures"`  // that it was the first to send
	ToForget int64  `json:"to_forget"` // addresses that other hosts have forgotten, and this one not yet
	Missed   int64  `json:"missed"`    // failures that it has deleted before they were sent
	Shared   int64  `json:"shared"`    // failures that it has read, and another host had sent before
	// CoveredBy is the host that counts the same logs, so that the counters of this one are
	// not added; empty if there is none.
	CoveredBy string `json:"covered_by"`
	// Twice are failures of the last week that count twice in the counters, because the hosts
	// SharesWith have read them as well.
	Twice      int64  `json:"counted_twice"`
	SharesWith string `json:"shares_with"`
	Removed    bool   `json:"removed"`
	// Silent means that it was not seen for query.SilentAfter, by the clock of PostgreSQL.
	Silent  bool  `json:"silent"`
	SeenAgo int64 `json:"seen_seconds_ago"`
	LineAgo int64 `json:"last_line_seconds_ago"` // -1 if no line was read
}

// Host returns the host as the pages show it.
func (i *InstanceStatus) Host() *query.Host {
	return &query.Host{
		Name:       i.Instance,
		SeenAgo:    i.SeenAgo,
		Behind:     i.Behind,
		Missed:     i.Missed,
		Twice:      i.Twice,
		SharesWith: i.SharesWith,
		Removed:    i.Removed,
	}
}

// Status returns how the hosts are doing, by name.
func (s *Settings) Status(ctx context.Context) ([]InstanceStatus, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `
		SELECT instance, i.version, joined_at, i.last_seen, i.last_line_at, i.behind, i.gaps, failures,
		    i.missed, i.shared, coalesce(covered_by, ''), twice, coalesce(shares_with, ''),
		    removed_at IS NOT NULL, clock_timestamp(),
		    (SELECT count(*)
		        FROM bouncetail.forgotten f
		        WHERE f.seq > i.taken_seq AND f.instance <> i.number AND i.removed_at IS NULL)
		FROM bouncetail.fleet_instances i
		JOIN bouncetail_views.hosts h ON h.host = i.instance
		ORDER BY instance`)
	if err != nil {
		return nil, Explain(err)
	}
	var i InstanceStatus
	var seen, now time.Time
	var line *time.Time
	var all []InstanceStatus
	_, err = pgx.ForEachRow(rows, []any{
		&i.Instance, &i.Version, (*Stamp)(&i.JoinedAt), &seen, &line, &i.Behind, &i.Gaps, &i.Failures,
		&i.Missed, &i.Shared, &i.CoveredBy, &i.Twice, &i.SharesWith, &i.Removed, &now, &i.ToForget,
	}, func() error {
		i.LastSeen, i.LastLine, i.LineAgo = bounce.Stamp(seen), "", -1
		i.SeenAgo = max(0, int64(now.Sub(seen)/time.Second))
		i.Silent = i.Host().Silent()
		if line != nil {
			i.LastLine, i.LineAgo = bounce.Stamp(*line), max(0, int64(now.Sub(*line)/time.Second))
		}
		all = append(all, i)
		return nil
	})
	return all, Explain(err)
}
