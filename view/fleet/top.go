package fleet

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// errPrivate is the error of a question about what other hosts keep from senders.
var errPrivate = errors.New(
	"senders are shown to users with the role bouncetail_reader only; as an administrator of PostgreSQL: GRANT bouncetail_reader TO the user of the DSN",
)

// chosen are conditions of a statement, with their arguments.
type chosen struct {
	where []string
	args  []any
}

// add adds a condition with an argument for each ? in it.
func (c *chosen) add(condition string, args ...any) {
	var b strings.Builder
	for _, arg := range args {
		before, behind, _ := strings.Cut(condition, "?")
		c.args = append(c.args, arg)
		b.WriteString(before + "$" + strconv.Itoa(len(c.args)))
		condition = behind
	}
	c.where = append(c.where, b.String()+condition)
}

// failures returns the conditions of a filter on failures.
func (r *Reader) failures(f query.Filter) (*chosen, error) {
	c := &chosen{}
	for _, one := range []struct{ column, value string }{
		{"domain", f.Domain},
		{"category", f.Category},
		{"reason", f.Reason},
		{"provider", f.Provider},
		{"sender", f.Sender},
		{"host", f.Host},
	} {
		if one.value != "" {
			c.add(one.column+" = ?", one.value)
		}
	}
	if f.Match != "" {
		c.add("recipient LIKE ?", query.LikeOf(f.Match))
	}
	if f.Incident != "" {
		c.add("("+f.Incident+")", f.IncidentArgs...)
	}
	if f.Sender != "" && !r.replies {
		return nil, errPrivate
	}
	return c, nil
}

// FailureGroups returns the attempts that failed from since until, without until,
// grouped by a column, category and reason, as query.Reader does.
func (r *Reader) FailureGroups(
	ctx context.Context, column query.FailureColumn, since, until time.Time, f query.Filter,
) ([]query.FailureGroup, error) {
	c, err := r.failures(f)
	if err != nil {
		return nil, err
	}
	if column == query.BySender && !r.replies {
		return nil, errPrivate
	}
	c.add("occurred_at >= ?::text::timestamptz AND occurred_at < ?::text::timestamptz", bounce.Stamp(since), bounce.Stamp(until))
	return list(ctx, r, func(row pgx.CollectableRow) (g query.FailureGroup, err error) {
		return g, row.Scan(&g.Name, &g.Category, &g.Reason, &g.Failed, &g.Permanent, &g.Suppress)
	}, `
		SELECT `+string(column)+`, category, reason, count(*),
		    count(*) FILTER (WHERE disposition = 'permanent'), count(*) FILTER (WHERE suppress)
		FROM bouncetail.bounces
		WHERE `+strings.Join(c.where, " AND ")+`
		GROUP BY 1, 2, 3
		ORDER BY `+string(column)+` COLLATE "C" NULLS FIRST, category COLLATE "C", reason COLLATE "C"`, c.args...)
}

// list returns the rows of a statement that may look at many. JIT takes longer than it
// saves.
func list[T any](ctx context.Context, r *Reader, scan pgx.RowToFunc[T], statement string, args ...any) (all []T, err error) {
	err = pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL jit TO off"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, statement, args...)
		if err == nil {
			all, err = pgx.CollectRows(rows, scan)
		}
		return err
	})
	return all, fleet.Explain(err)
}

// DomainCounts returns the domains with failed attempts on the days from one to
// another in UTC, both included: the sums of what the hosts have counted, each log once.
func (r *Reader) DomainCounts(ctx context.Context, first, last time.Time) ([]query.DomainCount, error) {
	return list(ctx, r, func(row pgx.CollectableRow) (c query.DomainCount, err error) {
		return c, row.Scan(&c.Domain, &c.Failed, &c.Sent)
	}, `
		SELECT domain, sum(deferred + bounced + expired)::bigint, sum(sent)::bigint
		FROM bouncetail_views.daily_counts
		WHERE day >= $1 AND day <= $2
		GROUP BY domain
		HAVING sum(deferred + bounced + expired) > 0`, first.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly))
}

// BadByDomain returns the number of bad addresses by domain.
func (r *Reader) BadByDomain(ctx context.Context) ([]query.Count, error) {
	return r.counts(ctx, "SELECT domain, count(*) FROM bouncetail.recipients WHERE state = 'bad' GROUP BY domain")
}

// BadByProvider returns the number of bad addresses by provider, which is empty if it is
// not known. Most of them are bad by a refusal, and refusals takes a tenth of bounces.
func (r *Reader) BadByProvider(ctx context.Context) ([]query.Count, error) {
	return r.counts(ctx, `
		SELECT coalesce(f.provider, (
		        SELECT b.provider
		        FROM bouncetail.bounces b
		        WHERE b.recipient_key = r.recipient_key
		          AND b.occurred_at = r.deciding_at
		          AND b.event_id = r.deciding_event_id
		    ), ''),
		    count(*)
		FROM bouncetail.recipients r
		LEFT JOIN bouncetail.refusals f ON f.recipient_key = r.recipient_key
		  AND f.occurred_at = r.deciding_at
		  AND f.event_id = r.deciding_event_id
		WHERE r.state = 'bad' AND r.deciding_at IS NOT NULL
		GROUP BY 1`)
}

func (r *Reader) counts(ctx context.Context, statement string, args ...any) ([]query.Count, error) {
	return list(ctx, r, func(row pgx.CollectableRow) (c query.Count, err error) { return c, row.Scan(&c.Name, &c.N) }, statement, args...)
}

// LastFailure returns the stamp of the last failure, or an empty text if there was none.
func (r *Reader) LastFailure(ctx context.Context) (at string, err error) {
	err = r.conn.QueryRow(ctx, `
		SELECT max(occurred_at)
		FROM bouncetail.bounces
		WHERE reason <> 'suppressed'`).Scan((*fleet.Stamp)(&at))
	return at, fleet.Explain(err)
}
