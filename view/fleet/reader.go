package fleet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Reader answers from the database of a fleet what query.Reader answers from that of a
// host. Who may not read replies gets answers without them.
type Reader struct {
	conn    *pgx.Conn
	replies bool
}

// Open connects to a fleet. It must be closed.
func Open(ctx context.Context, s fleet.Settings) (*Reader, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &Reader{conn: conn}
	if err := conn.QueryRow(ctx, "SELECT has_column_privilege('bouncetail.bounces', 'reply', 'SELECT')").Scan(&r.replies); err != nil {
		return nil, errors.Join(fleet.Explain(err), r.Close())
	}
	return r, nil
}

// Close ends the connection.
func (r *Reader) Close() error { return r.conn.Close(context.Background()) }

// stamp reads a time as a stored stamp; nil is NULL.
type stamp struct{ to **string }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (s stamp) ScanTimestamptz(v pgtype.Timestamptz) error {
	*s.to = nil
	if v.Valid {
		text := bounce.Stamp(v.Time)
		*s.to = &text
	}
	return nil
}

// selectRecipients selects recipients from a table or view that has them, each with the
// reply of the deciding failure.
func (r *Reader) selectRecipients(from string) string {
	reply := "0, ''"
	if r.replies {
		reply = "coalesce(b.smtp_code, 0), coalesce(b.reply, '')"
	}
	return `
		SELECT ` + reply + `, r.recipient, r.domain, r.state, r.decided_by, r.category, r.reason,
		    r.first_failure_at, r.last_failure_at, r.last_delivery_at, r.permanent_count, r.retry_count,
		    r.bad_since, r.bad_until, r.seq
		FROM ` + from + ` r
		LEFT JOIN bouncetail.bounces b ON b.recipient_key = r.recipient_key
		  AND b.occurred_at = r.deciding_at
		  AND b.event_id = r.deciding_event_id `
}

func scanRecipient(row *bounce.Recipient, scan func(...any) error) error {
	return scan(&row.SMTPCode, &row.Reply, &row.Recipient, &row.Domain,
		(*string)(&row.State), (*string)(&row.DecidedBy), (*string)(&row.Category), (*string)(&row.Reason),
		stamp{&row.FirstFailureAt}, stamp{&row.LastFailureAt}, stamp{&row.LastDeliveryAt},
		&row.PermanentCount, &row.RetryCount, stamp{&row.BadSince}, stamp{&row.BadUntil}, &row.Seq)
}

// Recipient returns the row of an address, given in its normal spelling, and false if it
// never failed.
func (r *Reader) Recipient(ctx context.Context, address string) (row bounce.Recipient, known bool, err error) {
	err = scanRecipient(&row, r.conn.QueryRow(ctx, r.selectRecipients("bouncetail.recipients")+`
		WHERE r.recipient_key = $1 AND r.recipient = $2`, bounce.Address{Normal: address}.Key(), address).Scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, false, nil
	}
	return row, err == nil, fleet.Explain(err)
}

// Recipients calls each for the recipients that the filter chooses, those that failed
// last first. It returns the number of the last change of any recipient at the instant
// that it shows.
func (r *Reader) Recipients(ctx context.Context, f query.Filter, each func(*bounce.Recipient) error) (lastSeq int64, err error) {
	err = pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		lastSeq, err = r.recipients(ctx, tx, f, each)
		return err
	})
	return lastSeq, fleet.Explain(err)
}

func (r *Reader) recipients(ctx context.Context, tx pgx.Tx, f query.Filter, each func(*bounce.Recipient) error) (lastSeq int64, err error) {
	// JIT takes longer than it saves.
	var known int64
	if err := tx.QueryRow(ctx, `
		SELECT seq,
		    (SELECT coalesce(sum(recipients), 0)::bigint FROM bouncetail.state_counts),
		    set_config('jit', 'off', true)
		FROM bouncetail.fleet_clock`).Scan(&lastSeq, &known, nil); err != nil {
		return 0, err
	}
	if f.Limit > 0 && f.Limit <= maxNewest && !f.Changes {
		looks := newestFailures
		if f.Domain != "" || f.State == string(bounce.StateSuspect) || f.Incident != "" {
			looks = looks[:1] // an index finds all of them
		}
		for _, failures := range looks {
			rows, err := r.newestRecipients(ctx, tx, f, failures)
			if err != nil || len(rows) == f.Limit {
				for i := 0; i < len(rows) && err == nil; i++ {
					err = each(&rows[i])
				}
				return lastSeq, err
			}
		}
	}
	from := "bouncetail.recipients"
	if f.Changes && (lastSeq-f.AfterSeq)*manyChanges < known {
		from = "bouncetail.changes"
	}
	return lastSeq, r.scanRecipients(ctx, tx, from, f, each)
}

// manyChanges is the part of all recipients from which reading all of them takes less than
// looking the changed ones up by number: 1/4.
const manyChanges = 4

// newestFailures are the numbers of failures among whose addresses newestRecipients looks.
// Without a filter, the first one is enough. The last one takes some tenths of a second.
var newestFailures = []int{1000, 20_000}

// maxNewest is the largest number of recipients that it looks for.
const maxNewest = 1000

// newestRecipients returns what the filter chooses of the addresses that failed last. If
// these are fewer than the limit, there may be more among the others. An index on the last
// failure would make every change of an address write to all indexes of recipients.
func (r *Reader) newestRecipients(ctx context.Context, tx pgx.Tx, f query.Filter, failures int) (rows []bounce.Recipient, err error) {
	// OFFSET 0 has the addresses looked up by their keys: PostgreSQL expects so few rows that
	// it would read all.
	from := fmt.Sprintf(`(
		    SELECT one.*
		    FROM (
		        SELECT recipient_key, occurred_at, event_id
		        FROM bouncetail.bounces
		        ORDER BY occurred_at DESC
		        FETCH FIRST %d ROWS WITH TIES
		    ) newest
		    CROSS JOIN LATERAL (
		        SELECT *
		        FROM bouncetail.recipients
		        WHERE recipient_key = newest.recipient_key
		        OFFSET 0
		    ) one
		    WHERE one.last_failure_at = newest.occurred_at AND one.last_event_id = newest.event_id
		)`, failures)
	err = r.scanRecipients(ctx, tx, from, f, func(row *bounce.Recipient) error {
		rows = append(rows, *row)
		return nil
	})
	return rows, err
}

// scanRecipients calls each for the rows of a table, a view or a query that the filter
// chooses.
func (r *Reader) scanRecipients(ctx context.Context, tx pgx.Tx, from string, f query.Filter, each func(*bounce.Recipient) error) error {
	where, args := conditions(f)
	if f.Limit > 0 && f.Provider == "" { // replies are looked up for those only that are listed
		from = "(SELECT r.* FROM " + from + " r " + where + ")"
		where = where[strings.LastIndex(where, " ORDER BY "):]
	}
	rows, err := tx.Query(ctx, r.selectRecipients(from)+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row bounce.Recipient
		if err := scanRecipient(&row, rows.Scan); err != nil {
			return err
		}
		if err := each(&row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// conditions returns what a filter adds to a statement.
func conditions(f query.Filter) (clauses string, args []any) {
	const (
		anyFailure  = "EXISTS (SELECT 1 FROM bouncetail.bounces f WHERE f.recipient_key = r.recipient_key AND "
		anyDecision = "EXISTS (SELECT 1 FROM bouncetail.decisions d WHERE d.recipient_key = r.recipient_key AND d.decision <> '')"
	)
	c := &chosen{where: []string{"true"}}
	add := func(condition string, value any, given bool) {
		if given {
			c.add(condition, value)
		}
	}
	add("r.state = ?", f.State, f.State != "")
	add("r.domain = ?", f.Domain, f.Domain != "")
	add("r.category = ?", f.Category, f.Category != "")
	add("r.reason = ?", f.Reason, f.Reason != "")
	add("b.provider = ?", f.Provider, f.Provider != "")
	add(anyFailure+"f.sender = ?)", f.Sender, f.Sender != "")
	add(anyFailure+"f.host = ?)", f.Host, f.Host != "")
	add("r.recipient LIKE ?", query.LikeOf(f.Match), f.Match != "")
	add("r.last_failure_at >= ?::text::timestamptz", f.Since, f.Since != "")
	add("r.bad_since >= ?::text::timestamptz", f.BadSince, f.BadSince != "")
	add("r.seq > ?", f.AfterSeq, f.Changes)
	add("(r.state = 'bad' OR r.left_bad_seq > ?)", f.AfterSeq, f.Changes && f.BadOrLeft)
	if f.Incident != "" {
		c.add("r.recipient_key IN (SELECT recipient_key FROM bouncetail.bounces WHERE "+f.Incident+")", f.IncidentArgs...)
	}
	order := "r.last_failure_at DESC NULLS LAST, r.recipient COLLATE \"C\""
	if f.Changes {
		order = "r.seq"
	} else { // an address that never failed is listed as long as a decision is in force
		c.add("(r.last_failure_at IS NOT NULL OR " + anyDecision + ")")
	}
	clauses = "WHERE " + strings.Join(c.where, " AND ") + " ORDER BY " + order
	if f.Limit > 0 {
		c.args = append(c.args, f.Limit)
		clauses += " LIMIT $" + strconv.Itoa(len(c.args))
	}
	return clauses, c.args
}

// AtCursor calls do with what changed since the cursor of a name, and moves the cursor if
// do succeeds. Nobody else uses the cursor meanwhile.
func (r *Reader) AtCursor(
	ctx context.Context,
	name string,
	do func(
		read func(query.Filter, func(*bounce.Recipient) error) (int64, error), after int64, isNew bool,
	) (last int64, err error),
) error {
	if _, err := r.conn.Exec(ctx, `
		INSERT INTO bouncetail.export_cursors (name, seq)
		VALUES ($1, 0)
		ON CONFLICT DO NOTHING`, name); err != nil {
		return fleet.Explain(err)
	}
	return fleet.Explain(pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var after int64
		var moved *time.Time
		if err := tx.QueryRow(ctx, `
			SELECT seq, moved_at
			FROM bouncetail.export_cursors
			WHERE name = $1
			FOR UPDATE NOWAIT`, name).Scan(&after, &moved); err != nil {
			return fmt.Errorf("cursor %s is in use by another export; wait for it, or name another cursor: %w", name, err)
		}
		last, err := do(func(f query.Filter, each func(*bounce.Recipient) error) (int64, error) {
			return r.recipients(ctx, tx, f, each)
		}, after, moved == nil)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE bouncetail.export_cursors
			SET seq = $2, moved_at = now()
			WHERE name = $1`, name, max(last, after))
		return err
	}))
}
