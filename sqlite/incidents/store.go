package incidents

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
)

// store stores what changed. Numbers, incidents, and notices that are due are one
// transaction: a crash before it finds all of it again, and after it nothing.
func (l *look) store(ctx context.Context) (due int, err error) {
	var tx *sql.Tx
	if err = l.w.await(ctx, func() error {
		tx, err = l.w.db.BeginTx(ctx, nil)
		return err
	}); err != nil {
		return 0, err
	}
	defer tx.Rollback()
	for _, save := range []func(context.Context, *sql.Tx) error{l.storeIncidents, l.storeDomains, l.storeBaselines} {
		if err := save(ctx, tx); err != nil {
			return 0, err
		}
	}
	for _, n := range l.Notices() {
		added, err := l.w.enter(ctx, tx, &n, l.Now)
		if err != nil {
			return 0, err
		}
		due += added
	}
	for name, value := range map[string]int64{lastBounce: l.last, lastGap: l.gap, lastDrift: l.drifted} {
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value); err != nil {
			return 0, err
		}
	}
	return due, tx.Commit()
}

// storeIncidents stores the incidents that changed. One may join another only once that
// has a number.
func (l *look) storeIncidents(ctx context.Context, tx *sql.Tx) error {
	for _, i := range l.Changed() {
		if err := save(ctx, tx, i); err != nil {
			return err
		}
	}
	for _, i := range l.Changed() {
		if !i.Join() {
			continue
		}
		if err := save(ctx, tx, i); err != nil {
			return err
		}
	}
	return nil
}

// storeBaselines stores what is usual for the providers.
func (l *look) storeBaselines(ctx context.Context, tx *sql.Tx) error {
	for _, p := range l.Providers {
		if slices.Contains(l.past, p) {
			continue
		}
		open := int64(0)
		if i := p.Current(); i != nil && p.Open {
			open = i.ID
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO provider_baselines (provider, tried, refused, updated, incident, judged, ended)
			VALUES (?, ?, ?, ?, nullif(?, 0), ?, ?)
			ON CONFLICT (provider) DO UPDATE
			SET tried = excluded.tried, refused = excluded.refused, updated = excluded.updated,
			    incident = excluded.incident, judged = excluded.judged, ended = excluded.ended`,
			p.Name, p.Usual.Tried, p.Usual.Refused, p.Usual.Until, open, p.From, p.Since)
		if err != nil {
			return err
		}
	}
	return nil
}

// enter enters a notice for each channel that is to send it.
func (w *Watcher) enter(ctx context.Context, tx *sql.Tx, n *incident.Notice, now time.Time) (added int, err error) {
	i := n.Incident
	var silent bool
	err = tx.QueryRowContext(ctx, `
		SELECT EXISTS (
		    SELECT 1 FROM silences
		    WHERE until > ? AND kind = ? AND (subject IS NULL OR subject = ?)
		)`,
		bounce.Stamp(now), string(i.Kind), i.Subject).Scan(&silent)
	if err != nil || silent {
		return 0, err
	}
	for _, c := range w.Channels {
		if len(c.Kinds) > 0 && !slices.Contains(c.Kinds, i.Kind) {
			continue
		}
		what := n.What
		if what == incident.NoticeAgain {
			var again bool
			if what, again = i.Repeat(c.Again, now); !again {
				continue
			}
		}
		result, err := tx.ExecContext(ctx, `
			INSERT OR IGNORE INTO incident_notices (incident, channel, what, due_at, tries)
			VALUES (?, ?, ?, ?, 0)`, i.ID, c.Name, what, bounce.Stamp(now))
		if err != nil {
			return added, err
		}
		rows, err := result.RowsAffected()
		if err != nil {
			return added, err
		}
		added += int(rows)
	}
	return added, nil
}
