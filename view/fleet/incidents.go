package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

// incidentOfHost is an incident of a host.
type incidentOfHost struct {
	incidents.Shown
	number int64 // of the host, in bounces
}

// selectIncidents returns the incidents that a condition chooses.
func (r *Reader) selectIncidents(ctx context.Context, where string, args ...any) ([]incidentOfHost, error) {
	private := "f.subject, ''"
	if r.replies {
		private = "coalesce(f.private_subject, f.subject), coalesce(f.reply, '')"
	}
	rows, err := r.conn.Query(ctx, `
		SELECT `+private+`, i.number, i.instance, f.id, f.kind, f.scope, f.category, f.reason,
		    f.enhanced_code, f.started_at, f.last_at, f.opened_at, coalesce(f.rang_at, ''),
		    coalesce(f.over_at, ''), coalesce(f.ended_by, ''), coalesce(f.part_of, 0), f.backlog <> 0,
		    coalesce(f.tried, 0), coalesce(f.refused, 0), coalesce(f.baseline, 0), coalesce(f.p, 0),
		    f.attempts, f.addresses, f.domains
		FROM bouncetail.incidents f
		JOIN bouncetail.fleet_instances i ON i.number = f.instance `+where, args...)
	if err != nil {
		return nil, fleet.Explain(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i incidentOfHost, err error) {
		err = row.Scan(&i.Subject, &i.Reply, &i.number, &i.Instance, &i.ID,
			(*string)(&i.Kind), (*string)(&i.Scope), (*string)(&i.Category), (*string)(&i.Reason), &i.EnhancedCode,
			&i.StartedAt, &i.LastAt, &i.OpenedAt, &i.RangAt, &i.OverAt, (*string)(&i.EndedBy), &i.PartOf, &i.Backlog,
			&i.Tried, &i.Refused, &i.Baseline, &i.P, &i.Attempts, &i.Addresses, &i.Domains)
		i.Advice = i.Incident.Advice()
		return i, err
	})
	return all, fleet.Explain(err)
}

// Incidents returns the incidents of all hosts that a filter chooses, in the order of
// incidents.List. Subjects that are a sender or a reply, and replies, are empty unless
// the user may read them.
func (r *Reader) Incidents(ctx context.Context, f incidents.Filter) ([]incidents.Shown, error) {
	all, err := r.selectIncidents(ctx, `
		WHERE (f.over_at IS NULL OR f.last_at >= $1 AND NOT $2::boolean)
		ORDER BY f.over_at IS NOT NULL, f.last_at DESC, i.instance, f.id DESC`, f.Since, f.Open)
	findOthers(all)
	shown := make([]incidents.Shown, 0, len(all))
	for i := range all {
		if all[i].Listed(f.Addresses) {
			shown = append(shown, all[i].Shown)
		}
	}
	return shown, err
}

// findOthers notes of each incident those of other hosts that have the same kind and
// subject, and happened at the same time.
func findOthers(all []incidentOfHost) {
	type what struct {
		kind    incident.Kind
		subject string
	}
	same := make(map[what][]*incidentOfHost)
	for i := range all {
		one := &all[i]
		if private := one.Kind == incident.BadList || one.Kind == incident.UnclassifiedSurge; !private || one.Subject != "" { // may be read
			key := what{one.Kind, one.Subject}
			same[key] = append(same[key], one)
		}
	}
	for _, group := range same {
		for _, one := range group {
			for _, other := range group {
				if other.number != one.number && other.StartedAt <= one.LastAt && one.StartedAt <= other.LastAt {
					one.Others = append(one.Others, other.Name())
				}
			}
			slices.Sort(one.Others)
		}
	}
}

func (r *Reader) incident(ctx context.Context, host string, id int64) (i incidentOfHost, err error) {
	all, err := r.selectIncidents(ctx, "WHERE i.instance = $1 AND f.id = $2", host, id)
	if err == nil && len(all) == 0 {
		return i, fmt.Errorf("%w %s/%d; bouncetail incidents --fleet --since 365d lists them", incidents.ErrNone, host, id)
	}
	if err != nil {
		return i, err
	}
	i = all[0]
	all, err = r.selectIncidents(ctx, "WHERE f.kind = $1 AND f.started_at <= $2 AND f.last_at >= $3",
		string(i.Kind), i.LastAt, i.StartedAt)
	if err != nil {
		return i, err
	}
	findOthers(all)
	for n := range all {
		if all[n].number == i.number && all[n].ID == i.ID {
			i.Others = all[n].Others
		}
	}
	return i, nil
}

// inFleet writes conditions on failures of SQLite for PostgreSQL. Who may not read a
// reply may read the host that it names.
var inFleet = strings.NewReplacer(
	"suppress = 1", "suppress",
	"suppress = 0", "NOT suppress",
	"instr(reply, ?)", "strpos(named_host, ?)",
	"instr(relay_host, ", "strpos(relay_host, ",
)

// readBy is the condition on bounces that chooses the failures that a host has read,
// whether it sent them first or not.
const readBy = `(instance = ? OR EXISTS (
	    SELECT FROM bouncetail.also_read a
	    WHERE a.recipient_key = bounces.recipient_key
	      AND a.occurred_at = bounces.occurred_at
	      AND a.event_id = bounces.event_id
	      AND a.instance = ?
	))`

// failures returns the condition on bounces that chooses the failures of an incident,
// and nil if it has none or if they depend on what the user may not read.
func (i *incidentOfHost) failures() (where string, args []any) {
	if where, args = incidents.Failures(&i.Incident); where == "" || i.Kind == incident.BadList && i.Subject == "" {
		return "", nil
	}
	return inFleet.Replace(where) + " AND " + readBy, append(args, i.number, i.number)
}

// FailuresOfIncident returns the condition on failures that chooses those of an incident
// of a host, for query.Filter.
func (r *Reader) FailuresOfIncident(ctx context.Context, host string, id int64) (where string, args []any, err error) {
	i, err := r.incident(ctx, host, id)
	if err != nil {
		return "", nil, err
	}
	if i.Kind == incident.BadList && !r.replies {
		return "", nil, errPrivate
	}
	if where, args = i.failures(); where == "" {
		return "", nil, fmt.Errorf("incident %s is not about failures", i.Name())
	}
	return where, args, nil
}

// Incident returns an incident of a host.
func (r *Reader) Incident(ctx context.Context, host string, id int64) (*incidents.Details, error) {
	i, err := r.incident(ctx, host, id)
	if err != nil {
		return nil, err
	}
	d := incidents.NewDetails(&i.Shown)
	rows, err := r.conn.Query(ctx, `
		SELECT id
		FROM bouncetail.incidents
		WHERE instance = $1 AND part_of = $2
		ORDER BY id`, i.number, id)
	if err != nil {
		return nil, fleet.Explain(err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fleet.Explain(err)
	}
	d.Parts = append(d.Parts, parts...)
	where, args := i.failures()
	if where == "" {
		return d, nil
	}
	return d, r.count(ctx, d, where, args)
}

// count counts the failures that a condition chooses.
func (r *Reader) count(ctx context.Context, d *incidents.Details, where string, args []any) error {
	private := "'', ''"
	if r.replies {
		private = "coalesce(sender, ''), coalesce(reply, '')"
	}
	c := &chosen{}
	c.add(where, args...)
	const hour = `to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')`
	rows, err := r.conn.Query(ctx, `
		SELECT `+private+`, `+hour+`, rule, coalesce(smtp_code::text, ''), coalesce(enhanced_code, ''),
		    coalesce(provider, domain), domain, recipient_key
		FROM bouncetail.bounces
		WHERE `+c.where[0], c.args...)
	if err != nil {
		return fleet.Explain(err)
	}
	counter := incidents.NewCounter()
	var f incidents.Failure
	_, err = pgx.ForEachRow(rows, []any{
		&f.Sender, &f.Reply, &f.Hour, &f.Rule, &f.Code, &f.Enhanced, &f.Receiver, &f.Domain, &f.Key,
	}, func() error {
		counter.Add(&f)
		return nil
	})
	if err != nil {
		return fleet.Explain(err)
	}
	counter.Fill(d, true)
	if !r.replies {
		d.Senders, d.Replies = []incidents.Count{}, []incidents.Count{}
	}
	states, err := r.counts(ctx, `
		SELECT state, count(*)
		FROM bouncetail.recipients
		WHERE recipient_key = ANY ($1)
		GROUP BY 1
		ORDER BY 2 DESC, 1`, counter.Addresses())
	for _, s := range states {
		d.States = append(d.States, incidents.Count(s))
	}
	return err
}
