package incidents

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Due is a notice that is to be sent.
type Due struct {
	Incident *Shown
	Channel  string
	What     string
	DueAt    string // of the next try
	Tries    int
}

// Due returns the notices that are due, in the order in which they became so.
func (w *Watcher) Due(ctx context.Context, now time.Time) ([]Due, error) {
	type row struct {
		Due
		id int64
	}
	var rows []row
	err := sqldb.ScanAll(ctx, w.db, `
		SELECT incident, channel, what, due_at, tries
		FROM incident_notices
		WHERE sent_at IS NULL AND gave_up = 0 AND due_at <= ?
		ORDER BY due_at, incident, what`, func(scan func(...any) error) error {
		var r row
		err := scan(&r.id, &r.Channel, &r.What, &r.DueAt, &r.Tries)
		rows = append(rows, r)
		return err
	}, bounce.Stamp(now))
	if err != nil {
		return nil, err
	}
	var due []Due
	for _, r := range rows {
		all, err := load(ctx, w.db, "WHERE id = ?", r.id)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			continue // deleted for its age
		}
		if r.Incident, err = show(ctx, w.db, all[0]); err != nil {
			return nil, err
		}
		due = append(due, r.Due)
	}
	return due, nil
}

// Ringing returns the open incidents that rang.
func (w *Watcher) Ringing(ctx context.Context) (all []*Shown, err error) {
	found, err := load(ctx, w.db, "WHERE over_at IS NULL AND rang_at IS NOT NULL AND part_of IS NULL ORDER BY id")
	for _, i := range found {
		s, err := show(ctx, w.db, i)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, err
}

// Sent notes that a notice was sent.
func (w *Watcher) Sent(ctx context.Context, d *Due, now time.Time) error {
	_, err := w.exec(ctx, `
		UPDATE incident_notices
		SET sent_at = ?, tries = tries + 1, error = NULL
		WHERE incident = ? AND channel = ? AND what = ?`,
		bounce.Stamp(now), d.Incident.ID, d.Channel, d.What)
	return err
}

// Failed notes that a try failed, and when the next one is due.
func (w *Watcher) Failed(ctx context.Context, d *Due, why string, next time.Time, gaveUp bool) error {
	_, err := w.exec(ctx, `
		UPDATE incident_notices
		SET tries = tries + 1, error = ?, due_at = ?, gave_up = ?
		WHERE incident = ? AND channel = ? AND what = ?`,
		why, bounce.Stamp(next), gaveUp, d.Incident.ID, d.Channel, d.What)
	return err
}
