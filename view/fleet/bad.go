package fleet

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/output/fleet"
)

// BadList lists the bad addresses of a fleet for the maps of mail servers. It connects
// when it is asked, and again after an error.
type BadList struct {
	Settings fleet.Settings

	conn      *pgx.Conn
	seq       int64 // of the last change that was looked at
	forgotten int64 // of the last change that forgot an address
	changes   int64
}

// Close ends the connection.
func (l *BadList) Close() error {
	if l.conn == nil {
		return nil
	}
	err := l.conn.Close(context.Background())
	l.conn = nil
	return err
}

// LastChange returns a number that grows if an address became bad, was bad and changed,
// is not bad any more, or was forgotten.
func (l *BadList) LastChange(ctx context.Context) (int64, error) {
	var seq, forgotten int64
	var changed bool
	err := l.ask(ctx, func() error {
		return l.conn.QueryRow(ctx, `
			SELECT seq, (SELECT coalesce(max(seq), 0) FROM bouncetail.forgotten), EXISTS (
			  SELECT 1 FROM bouncetail.changes WHERE seq > $1 AND (state = 'bad' OR left_bad_seq > $1))
			FROM bouncetail.fleet_clock`, l.seq).Scan(&seq, &forgotten, &changed)
	})
	if err != nil {
		return 0, err
	}
	if changed || forgotten != l.forgotten || seq < l.seq { // less: PostgreSQL was restored
		l.changes++
	}
	l.seq, l.forgotten = seq, forgotten
	return l.changes, nil
}

// Bad calls each for every bad recipient, in the order of their spelling. It sets only
// Recipient, Reason and BadSince.
func (l *BadList) Bad(ctx context.Context, each func(*bounce.Recipient) error) error {
	return l.ask(ctx, func() error {
		rows, err := l.conn.Query(ctx, `
			SELECT recipient, reason, bad_since
			FROM bouncetail.recipients
			WHERE state = 'bad'
			ORDER BY recipient COLLATE "C"`)
		if err != nil {
			return err
		}
		var row bounce.Recipient
		_, err = pgx.ForEachRow(
			rows, []any{&row.Recipient, (*string)(&row.Reason), stamp{&row.BadSince}},
			func() error { return each(&row) },
		)
		return err
	})
}

// ask calls do with a connection, and drops the connection if do fails.
func (l *BadList) ask(ctx context.Context, do func() error) (err error) {
	if l.conn == nil {
		if l.conn, err = l.Settings.Connect(ctx); err != nil {
			return err
		}
		l.changes++ // PostgreSQL may have been restored from a backup
	}
	if err = fleet.Explain(do()); err != nil {
		_ = l.Close() // do has failed already
	}
	return err
}
