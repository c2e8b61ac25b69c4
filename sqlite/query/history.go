package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// Attempt is a failed attempt as it is shown to an admin. Times are as stored.
type Attempt struct {
	ID          int64              `json:"id"`
	OccurredAt  string             `json:"occurred_at"`
	Outcome     bounce.Outcome     `json:"outcome"`
	Sender      *string            `json:"sender"`
	QueueID     *string            `json:"queue_id"`
	MessageID   *string            `json:"message_id"`
	RelayHost   *string            `json:"relay_host"`
	Stage       *string            `json:"stage"`
	SMTPCode    *int               `json:"smtp_code"`
	Reply       *string            `json:"reply"`
	Category    bounce.Category    `json:"category"`
	Reason      bounce.Reason      `json:"reason"`
	Scope       bounce.Scope       `json:"scope"`
	Disposition bounce.Disposition `json:"disposition"`
	Suppress    bool               `json:"suppress"`
	Rule        string             `json:"rule"`
	// Counts means that the policy may count it, see bounce.Verdict.Counts.
	Counts bool `json:"counts"`
	// Release is the number of the release that covers it; 0 if there is none.
	Release int64 `json:"release"`
	// Crowd is the number of the crowd that it is part of; 0 if there is none. Confirm
	// is that of the confirmation by which it counts nevertheless.
	Crowd   int64 `json:"crowd"`
	Confirm int64 `json:"confirm"`
	// Instance is the host of a fleet that sent it; empty if it is of this host.
	Instance string `json:"instance,omitempty"`
}

// Recipient returns the row of an address, given in its normal spelling, and
// false if it never failed.
func (r *Reader) Recipient(ctx context.Context, address string) (row bounce.Recipient, known bool, err error) {
	err = RecipientColumns.Scan(&row, r.db.QueryRowContext(ctx, `
		SELECT `+RecipientColumns.Names("")+`
		FROM recipients
		WHERE recipient = ?`, address).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return row, false, nil
	}
	if err != nil {
		return row, false, fmt.Errorf("recipient %s: %w", address, err)
	}
	return row, true, nil
}

// Counted returns what the policy in force has counted against an address.
func (r *Reader) Counted(ctx context.Context, to bounce.Address) ([]recipient.Counted, error) {
	policy, err := AppliedPolicy(ctx, r.db)
	if err != nil {
		return nil, err
	}
	var text string
	if err := r.db.QueryRowContext(ctx, `
		SELECT coalesce(memory, '')
		FROM recipients
		WHERE recipient = ?`, to.Normal).Scan(&text); err != nil {
		return nil, err
	}
	return recipient.CountedBy(policy, text)
}

// Attempts returns the last attempts for an address that failed, the oldest of
// them first.
func (r *Reader) Attempts(ctx context.Context, to bounce.Address, limit int) ([]Attempt, error) {
	var in recipient.Inputs
	var err error
	if in.Releases, err = Releases(ctx, r.db, "releases", "WHERE withdrawn_at IS NULL"); err != nil {
		return nil, err
	}
	if in.Confirms, err = Releases(ctx, r.db, "confirms", "WHERE withdrawn_at IS NULL"); err != nil {
		return nil, err
	}
	if in.Crowds, err = Crowds(ctx, r.db, ""); err != nil {
		return nil, err
	}
	all := []Attempt{}
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT id, occurred_at, outcome, sender, queue_id, message_id, relay_host, stage, smtp_code, reply,
		    category, reason, scope, disposition, suppress, rule, coalesce(provider, ''), coalesce(relay_ip, ''),
		    EXISTS (
		        SELECT 1 FROM recipients r
		        WHERE r.recipient_key = bounces.recipient_key AND last_delivery_at IS NOT NULL
		    )
		FROM bounces
		WHERE id IN ( -- of thousands, only the time is looked at
		    SELECT id
		    FROM bounces
		    WHERE recipient_key = ?
		    ORDER BY occurred_at DESC, id DESC
		    LIMIT ?
		)
		ORDER BY occurred_at, id`, func(scan func(...any) error) error {
		var a Attempt
		var provider, ip string
		var reached bool
		err := scan(&a.ID, &a.OccurredAt, &a.Outcome, &a.Sender, &a.QueueID, &a.MessageID, &a.RelayHost, &a.Stage, &a.SMTPCode, &a.Reply,
			&a.Category, &a.Reason, &a.Scope, &a.Disposition, &a.Suppress, &a.Rule, &provider, &ip, &reached)
		a.Judge(&in, to.Domain, provider, ip, reached)
		all = append(all, a)
		return err
	}, to.Key(), limit)
	return all, err
}

// Judge sets what follows from the attempt, from releases, confirmations and crowds. The
// address was reached if it ever accepted mail.
func (a *Attempt) Judge(in *recipient.Inputs, domain, provider, ip string, reached bool) {
	v := bounce.Verdict{Category: a.Category, Scope: a.Scope, Suppress: a.Suppress}
	a.Counts = v.Counts(a.Outcome)
	for i := range in.Releases {
		if in.Releases[i].Covers(domain, a.OccurredAt, a.Category, a.Reason) {
			a.Release = in.Releases[i].ID
		}
	}
	a.inCrowd(in, domain, provider, ip, reached)
	for i := range in.Confirms {
		if a.Crowd != 0 && in.Confirms[i].Covers(domain, a.OccurredAt, a.Category, a.Reason) {
			a.Confirm = in.Confirms[i].ID
		}
	}
}

// inCrowd sets the crowd that an attempt is part of.
func (a *Attempt) inCrowd(in *recipient.Inputs, domain, provider, ip string, reached bool) {
	if !a.Suppress || len(in.Crowds) == 0 {
		return
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	f := recipient.Failure{
		At:       a.OccurredAt,
		Reason:   a.Reason,
		Provider: provider,
		Relay:    recipient.RelayUnit(text(a.RelayHost), ip, domain),
	}
	if a.Reason == bounce.NoSuchDomain {
		f.Host = recipient.NamedHost(text(a.Reply), domain)
	}
	if c := in.Crowd(domain, &f, reached); c != nil {
		a.Crowd = c.ID
	}
}

// CrowdLimits returns the limits that the crowds follow.
func (r *Reader) CrowdLimits(ctx context.Context) (bounce.CrowdLimits, error) {
	p, err := AppliedPolicy(ctx, r.db)
	if err != nil {
		return bounce.CrowdLimits{}, err
	}
	return p.Crowds, nil
}
