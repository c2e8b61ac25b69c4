package fleet

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Attempts returns the last attempts for an address that failed, the oldest of them
// first, each with the host that sent it.
func (r *Reader) Attempts(ctx context.Context, to bounce.Address, limit int) (all []query.Attempt, err error) {
	var in recipient.Inputs
	if in.Releases, err = r.Releases(ctx); err != nil {
		return nil, err
	}
	if in.Confirms, err = r.Confirms(ctx); err != nil {
		return nil, err
	}
	if in.Crowds, err = r.Crowds(ctx, ""); err != nil {
		return nil, err
	}
	withdrawn := func(o recipient.Release) bool { return o.WithdrawnAt != nil }
	in.Releases, in.Confirms = slices.DeleteFunc(in.Releases, withdrawn), slices.DeleteFunc(in.Confirms, withdrawn)
	private := "NULL, NULL, NULL"
	if r.replies {
		private = "b.sender, b.message_id, b.reply"
	}
	rows, err := r.conn.Query(ctx, `
		SELECT `+private+`, b.stage, b.smtp_code, b.rule, b.occurred_at, b.outcome, b.queue_id,
		    b.relay_host, b.category, b.reason, b.scope, b.disposition, b.suppress, i.instance,
		    coalesce(b.provider, ''), coalesce(b.relay_ip, ''),
		    EXISTS (
		        SELECT 1 FROM bouncetail.recipients r
		        WHERE r.recipient_key = b.recipient_key AND r.last_delivery_at IS NOT NULL
		    )
		FROM bouncetail.bounces b
		JOIN bouncetail.fleet_instances i ON i.number = b.instance
		WHERE b.recipient_key = $1
		ORDER BY b.occurred_at DESC, b.event_id DESC
		LIMIT $2`, to.Key(), limit)
	if err != nil {
		return nil, fleet.Explain(err)
	}
	all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a query.Attempt, err error) {
		var provider, ip string
		var reached bool
		err = row.Scan(&a.Sender, &a.MessageID, &a.Reply, &a.Stage, &a.SMTPCode, &a.Rule,
			(*fleet.Stamp)(&a.OccurredAt), (*string)(&a.Outcome), &a.QueueID, &a.RelayHost,
			(*string)(&a.Category), (*string)(&a.Reason), (*string)(&a.Scope), (*string)(&a.Disposition),
			&a.Suppress, &a.Instance, &provider, &ip, &reached)
		a.Judge(&in, to.Domain, provider, ip, reached)
		return a, err
	})
	slices.Reverse(all)
	return all, fleet.Explain(err)
}

// Counted returns what the policy of the fleet has counted against an address.
func (r *Reader) Counted(ctx context.Context, to bounce.Address) ([]recipient.Counted, error) {
	policy, err := fleet.Policy(ctx, r.conn)
	if err != nil {
		return nil, err
	}
	var memory string
	if err := r.conn.QueryRow(ctx, `
		SELECT coalesce(memory, '')
		FROM bouncetail.recipients
		WHERE recipient_key = $1`, to.Key()).Scan(&memory); err != nil {
		return nil, fleet.Explain(err)
	}
	return recipient.CountedBy(policy, memory)
}

// DecisionsOn returns the last decision on an address, if there is one.
func (r *Reader) DecisionsOn(ctx context.Context, to bounce.Address) ([]recipient.Decision, error) {
	rows, err := r.conn.Query(ctx, `
		SELECT recipient, decision, coalesce(note, ''), decided_at, until
		FROM bouncetail.decisions
		WHERE recipient_key = $1 AND decision <> ''`, to.Key())
	if err != nil {
		return nil, fleet.Explain(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d recipient.Decision, err error) {
		return d, row.Scan(&d.Recipient, &d.Decision, &d.Note, (*fleet.Stamp)(&d.DecidedAt), stamp{&d.Until})
	})
	return found, fleet.Explain(err)
}

// Releases returns all releases of all hosts. They are numbered in the order of time.
func (r *Reader) Releases(ctx context.Context) ([]recipient.Release, error) {
	return r.releases(ctx, false)
}

// Confirms returns all confirmations of all hosts, likewise.
func (r *Reader) Confirms(ctx context.Context) ([]recipient.Release, error) {
	return r.releases(ctx, true)
}

func (r *Reader) releases(ctx context.Context, confirms bool) ([]recipient.Release, error) {
	rows, err := r.conn.Query(ctx, `
		SELECT row_number() OVER (ORDER BY made_at, instance, id), since, until, category, domain, reason,
		    coalesce(note, ''), made_at, withdrawn_at
		FROM bouncetail.releases
		WHERE confirms = $1
		ORDER BY 1`, confirms)
	if err != nil {
		return nil, fleet.Explain(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o recipient.Release, err error) {
		return o, row.Scan(
			&o.ID, (*fleet.Stamp)(&o.Since), (*fleet.Stamp)(&o.Until), &o.Category, &o.Domain, &o.Reason,
			&o.Note, (*fleet.Stamp)(&o.ReleasedAt), stamp{&o.WithdrawnAt},
		)
	})
	return all, fleet.Explain(err)
}

// Crowds returns the crowds that ended at or after a stamp, the first first.
func (r *Reader) Crowds(ctx context.Context, since string) ([]recipient.Crowd, error) {
	all, err := fleet.Crowds(ctx, r.conn)
	return slices.DeleteFunc(all, func(c recipient.Crowd) bool { return c.End < since }), err
}

// CrowdLimits returns the limits that the crowds follow.
func (r *Reader) CrowdLimits(ctx context.Context) (bounce.CrowdLimits, error) {
	policy, err := fleet.Policy(ctx, r.conn)
	if err != nil {
		return bounce.CrowdLimits{}, err
	}
	return policy.Crowds, nil
}
