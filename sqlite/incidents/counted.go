package incidents

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// counted is an incident that an import has found, with the domains that it adds.
type counted struct {
	*incident.Incident
	domains []string // those of the new failures, if these were counted
	all     bool     // all failures were counted: the stored domains are replaced
}

// countNew counts the failures of an incident in those of an import, and adds them to
// what was counted before. It returns false if all must be counted in the database: there
// is no import, or there are failures that were neither counted before nor are new. Such
// an incident may go on for months.
func (l *look) countNew(ctx context.Context, i *incident.Incident) (known bool, err error) {
	if l.new == nil {
		return false, nil
	}
	news := l.new.Count(i)
	if news == nil {
		return false, nil
	}
	was, upTo, err := l.countedBefore(ctx, i)
	if err != nil {
		return false, err
	}
	where, args := kindred(i)
	var others bool
	err = l.db.QueryRowContext(ctx, `
		SELECT EXISTS (
		    SELECT 1 FROM bounces
		    WHERE `+where+` AND occurred_at > ? AND occurred_at <= ? AND +id <= ?
		) OR EXISTS (
		    SELECT 1 FROM bounces
		    WHERE `+where+` AND id > ? AND id <= ? AND +occurred_at >= ? AND +occurred_at <= ?
		)`,
		slices.Concat(
			args, []any{was.LastAt, min(i.LastAt, l.lastOlder), l.first},
			args, []any{upTo, l.first, i.StartedAt, i.LastAt},
		)...).Scan(&others)
	if err != nil {
		return false, err
	}
	l.counted = append(l.counted, counted{i, news.Domains, others})
	if others {
		return false, nil
	}
	addresses, domains := len(news.Addresses), len(news.Domains)
	if was.Attempts > 0 {
		var counted int // of the addresses
		err := l.db.QueryRowContext(ctx, `
			SELECT count(*)
			FROM json_each(?) k
			WHERE EXISTS (
			    SELECT 1 FROM bounces
			    WHERE recipient_key = k.value
			      AND `+where+`
			      AND +occurred_at >= ?
			      AND +occurred_at <= ?
			      AND +id <= ?
			)`,
			slices.Concat([]any{sqldb.NumberList(news.Older)}, args, []any{was.StartedAt, was.LastAt, l.first})...).Scan(&counted)
		if err != nil {
			return false, err
		}
		addresses -= counted
		err = l.db.QueryRowContext(ctx, `
			SELECT count(*)
			FROM json_each(?) k
			WHERE NOT EXISTS (SELECT 1 FROM incident_domains WHERE incident = ? AND domain = k.value)`,
			sqldb.TextList(news.Domains), i.ID).Scan(&domains)
		if err != nil {
			return false, err
		}
	}
	i.Attempts, i.Addresses, i.Domains = was.Attempts+news.Attempts, was.Addresses+addresses, was.Domains+domains
	return true, nil
}

// countedBefore returns the incident as an import has counted it, and the last failure
// that the database held then. If none has, it returns an incident without failures.
func (l *look) countedBefore(ctx context.Context, i *incident.Incident) (was *incident.Incident, upTo int64, err error) {
	// The last failure of before, by the log. It is near the end of the index.
	if l.lastOlder == "" {
		err := l.db.QueryRowContext(ctx, `
			SELECT coalesce((
			    SELECT occurred_at
			    FROM bounces
			    WHERE id <= ?
			    ORDER BY occurred_at DESC
			    LIMIT 1
			), '-')`, l.first).Scan(&l.lastOlder)
		if err != nil {
			return nil, 0, err
		}
	}
	before := bounce.Stamp(bounce.ParseStamp(i.StartedAt).Add(-time.Millisecond))
	none := &incident.Incident{StartedAt: i.StartedAt, LastAt: before}
	// A daemon does not store the domains that it counts.
	all, err := load(ctx, l.db, `
		WHERE id = ?
		  AND started_at = ?
		  AND over_at IS NOT NULL
		  AND domains = (SELECT count(*) FROM incident_domains WHERE incident = incidents.id)`, i.ID, i.StartedAt)
	if err != nil || len(all) == 0 {
		return none, l.first, err
	}
	err = l.db.QueryRowContext(ctx, "SELECT bounce_id FROM incident_counts WHERE incident = ?", i.ID).Scan(&upTo)
	if errors.Is(err, sql.ErrNoRows) {
		return none, l.first, nil
	}
	return all[0], upTo, err
}

// storeDomains stores up to where incidents were counted, and their domains.
func (l *look) storeDomains(ctx context.Context, tx *sql.Tx) error {
	for _, c := range l.counted {
		if _, err := tx.ExecContext(ctx, `
			INSERT OR REPLACE INTO incident_counts (incident, bounce_id)
			VALUES (?, ?)`, c.ID, l.last); err != nil {
			return err
		}
		if c.all {
			if _, err := tx.ExecContext(ctx, "DELETE FROM incident_domains WHERE incident = ?", c.ID); err != nil {
				return err
			}
			where, args := Failures(c.Incident)
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO incident_domains
				SELECT DISTINCT ?, domain
				FROM bounces
				WHERE `+where, append([]any{c.ID}, args...)...); err != nil {
				return err
			}
			continue
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT OR IGNORE INTO incident_domains
			SELECT ?, value
			FROM json_each(?)`, c.ID, sqldb.TextList(c.domains)); err != nil {
			return err
		}
	}
	return nil
}
