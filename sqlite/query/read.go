// Package query is the reading side of the database: what commands, views, exports
// and the writer itself ask. It writes nothing.
package query

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/tally"
)

// Reader is a database that is open to read only, while another process writes: that of a
// host, or that of a fleet, whose views have the tables and columns of that of a host.
type Reader struct {
	db    sqldb.Querier
	pool  *sql.DB // of a host; nil for a fleet
	close func() error
}

// OpenReader opens a database that must exist and have the schema of this version.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	db, _, err := dbfile.OpenReadOnly(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := dbfile.CheckSchema(ctx, db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Reader{db, db, db.Close}, nil
}

// OfFleet returns a Reader of the database of a fleet: of what a transaction sees. Methods
// that need a table that a fleet does not have return an error; CheckKey, Query and
// Recipients are for the database of a host only.
func OfFleet(tx sqldb.Querier, end func() error) *Reader { return &Reader{tx, nil, end} }

// IsFleet reports whether the database is that of a fleet.
func (r *Reader) IsFleet() bool { return r.pool == nil }

// Close closes the database.
func (r *Reader) Close() error { return r.close() }

// Querier runs statements for which there is no method.
func (r *Reader) Querier() sqldb.Querier { return r.db }

// Filter chooses recipients; empty fields choose all.
type Filter struct {
	State     string
	Domain    string
	Category  string
	Reason    string
	Provider  string // of the failure that decided
	Sender    string // of any failure
	Host      string // that logged any failure
	Match     string // a part of the address; * and ? stand for any characters
	Since     string // last failure at or after, as stored
	BadSince  string // bad at or after, as stored
	Changes   bool   // in the order of the changes, rather than by the last failure
	AfterSeq  int64  // with Changes: only what changed after this number
	BadOrLeft bool   // with Changes: only what is bad, or was bad until a change after AfterSeq
	Limit     int    // 0 is no limit
	// Incident is a condition on the failures, with its arguments; see package
	// sqlite/incidents.
	Incident     string
	IncidentArgs []any
	newest       bool // only addresses of failures at or after Since
}

// RecipientColumns are the columns of recipients that are shown.
var RecipientColumns = sqldb.Columns[bounce.Recipient]{
	sqldb.Required("recipient", func(r *bounce.Recipient) any { return &r.Recipient }),
	sqldb.Required("domain", func(r *bounce.Recipient) any { return &r.Domain }),
	sqldb.Required("state", func(r *bounce.Recipient) any { return (*string)(&r.State) }),
	sqldb.Required("decided_by", func(r *bounce.Recipient) any { return (*string)(&r.DecidedBy) }),
	sqldb.Required("category", func(r *bounce.Recipient) any { return (*string)(&r.Category) }),
	sqldb.Required("reason", func(r *bounce.Recipient) any { return (*string)(&r.Reason) }),
	sqldb.Optional("first_failure_at", func(r *bounce.Recipient) any { return &r.FirstFailureAt }),
	sqldb.Optional("last_failure_at", func(r *bounce.Recipient) any { return &r.LastFailureAt }),
	sqldb.Optional("last_delivery_at", func(r *bounce.Recipient) any { return &r.LastDeliveryAt }),
	sqldb.Required("permanent_count", func(r *bounce.Recipient) any { return &r.PermanentCount }),
	sqldb.Required("retry_count", func(r *bounce.Recipient) any { return &r.RetryCount }),
	sqldb.Optional("bad_since", func(r *bounce.Recipient) any { return &r.BadSince }),
	sqldb.Optional("bad_until", func(r *bounce.Recipient) any { return &r.BadUntil }),
	sqldb.Optional("last_bounce_id", func(r *bounce.Recipient) any { return &r.LastBounceID }),
	sqldb.Required("seq", func(r *bounce.Recipient) any { return &r.Seq }),
}

// selectShown selects recipients, each with the reply of the deciding failure. An
// address that was blocked by hand may have no failure.
var selectShown = `
	SELECT coalesce(b.smtp_code, 0), coalesce(b.reply, ''), ` + RecipientColumns.Names("r.") + `
	FROM recipients r
	LEFT JOIN bounces b ON b.id = r.deciding_bounce_id AND b.recipient_key = r.recipient_key `

// scanShown reads a row of selectShown.
func scanShown(row *bounce.Recipient, scan func(...any) error) error {
	return RecipientColumns.Scan(row, func(into ...any) error { return scan(append([]any{&row.SMTPCode, &row.Reply}, into...)...) })
}

// Recipients calls each for the recipients that the filter chooses, those that
// failed last first. It returns the number of the last change of any recipient
// at the instant that it shows.
func (r *Reader) Recipients(ctx context.Context, f Filter, each func(*bounce.Recipient) error) (lastSeq int64, err error) {
	tx, err := r.pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seq'").Scan(&lastSeq); err != nil {
		return 0, err
	}
	if f.Limit > 0 && f.Limit <= maxNewest && !f.Changes {
		rows, err := newestRecipients(ctx, tx, f)
		if err != nil || len(rows) == f.Limit {
			for i := 0; i < len(rows) && err == nil; i++ {
				err = each(&rows[i])
			}
			return lastSeq, err
		}
	}
	return lastSeq, f.scan(ctx, tx, each)
}

// scan calls each for the recipients that the filter chooses.
func (f Filter) scan(ctx context.Context, db sqldb.Querier, each func(*bounce.Recipient) error) error {
	query, args := f.query()
	return sqldb.ScanAll(ctx, db, query, func(scan func(...any) error) error {
		var row bounce.Recipient
		if err := scanShown(&row, scan); err != nil {
			return err
		}
		return each(&row)
	}, args...)
}

// newestFailures is the number of failures among whose addresses newestRecipients
// looks, which takes less than a tenth of a second.
var newestFailures = 20_000

// maxNewest is the largest number of recipients that it looks for.
const maxNewest = 1000

// newestRecipients returns what the filter chooses of the addresses that failed last.
// If these are fewer than the limit, there may be more among the others: without an
// index on the last failure, which would slow down every import, only a look through
// all recipients finds them.
func newestRecipients(ctx context.Context, db sqldb.Querier, f Filter) (rows []bounce.Recipient, err error) {
	var since string
	err = db.QueryRowContext(ctx, `
		SELECT occurred_at
		FROM bounces
		ORDER BY occurred_at DESC
		LIMIT 1 OFFSET ?`, newestFailures).Scan(&since)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // a look through all is as fast
	}
	if err != nil {
		return nil, err
	}
	f.Since, f.newest = max(f.Since, since), true
	err = f.scan(ctx, db, func(row *bounce.Recipient) error {
		rows = append(rows, *row)
		return nil
	})
	return rows, err
}

// query returns the statement for what the filter chooses.
func (f Filter) query() (query string, args []any) {
	const (
		anyFailure  = "EXISTS (SELECT 1 FROM bounces f WHERE f.recipient_key = r.recipient_key AND "
		failureWith = "r.recipient_key IN (SELECT recipient_key FROM bounces WHERE "
		anyDecision = "EXISTS (SELECT 1 FROM decisions d WHERE d.recipient_key = r.recipient_key AND d.ended_at IS NULL)"
	)
	where := []string{"1"}
	for _, c := range []struct {
		condition string
		value     any
		given     bool
	}{
		{"r.state = ?", f.State, f.State != ""},
		{"r.domain = ?", f.Domain, f.Domain != ""},
		{
			"r.recipient_key IN (SELECT recipient_key FROM recipients WHERE recipient GLOB ?)",
			endsIn(f.Domain),
			f.Domain != "" && !f.Changes && !f.newest,
		},
		{"r.category = ?", f.Category, f.Category != ""},
		{"r.reason = ?", f.Reason, f.Reason != ""},
		{"b.provider = ?", f.Provider, f.Provider != ""},
		{anyFailure + "f.sender = ?)", f.Sender, f.Sender != ""},
		{anyFailure + "f.host = ?)", f.Host, f.Host != ""},
		{"r.recipient GLOB ?", globOf(f.Match), f.Match != ""},
		{"r.last_failure_at >= ?", f.Since, f.Since != ""},
		{"r.bad_since >= ?", f.BadSince, f.BadSince != ""},
		{"r.seq > ?", f.AfterSeq, f.Changes},
		{"(r.state = 'bad' OR r.left_bad_seq > ?)", f.AfterSeq, f.Changes && f.BadOrLeft},
	} {
		if c.given {
			where, args = append(where, c.condition), append(args, c.value)
		}
	}
	if f.Incident != "" {
		where, args = append(where, failureWith+f.Incident+")"), append(args, f.IncidentArgs...)
	}
	if f.newest {
		where, args = append(where, failureWith+"occurred_at >= ?)"), append(args, f.Since)
	}
	if !f.Changes { // an address that never failed is listed as long as a decision is in force
		where = append(where, "(r.last_failure_at IS NOT NULL OR "+anyDecision+")")
	}
	order := "r.last_failure_at DESC, r.recipient"
	if f.Changes {
		order = "r.seq"
	}
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit
	}
	return selectShown + `
		WHERE ` + strings.Join(where, " AND ") + `
		ORDER BY ` + order + `
		LIMIT ?`, append(args, limit)
}

// endsIn returns a pattern for GLOB that finds the addresses of a domain by their names, so
// that a query need read only the index of the names: 0.1 s for a million.
func endsIn(domain string) string {
	return "*@" + strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(domain)
}

// globOf returns a pattern for GLOB that finds a part of an address.
func globOf(match string) string {
	match = withoutNUL(strings.ToLower(match))
	if strings.ContainsAny(match, "*?") {
		return strings.ReplaceAll(match, "[", "[[]")
	}
	return "*" + strings.ReplaceAll(match, "[", "[[]") + "*"
}

// LikeOf returns a pattern for LIKE that finds a part of an address, as globOf does:
// PostgreSQL has no GLOB.
func LikeOf(match string) string {
	match = withoutNUL(strings.ToLower(match))
	escaped := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(match)
	if strings.ContainsAny(match, "*?") {
		return strings.NewReplacer("*", "%", "?", "_").Replace(escaped)
	}
	return "%" + escaped + "%"
}

// withoutNUL returns text with a line end instead of NUL, where SQLite ends a pattern, and
// which PostgreSQL refuses. No address contains either.
func withoutNUL(text string) string { return strings.ReplaceAll(text, "\x00", "\n") }

// Count is a name with a number.
type Count struct {
	Name string
	N    int
}

// States returns how many recipients are in each state. They are counted with every
// change, because a look through all of them takes a second for a few million.
func (r *Reader) States(ctx context.Context) ([]Count, error) {
	if r.IsFleet() {
		return r.counts(ctx, "SELECT state, recipients FROM state_counts WHERE recipients > 0 ORDER BY 1")
	}
	return r.counts(ctx, `
		SELECT substr(name, length('`+StateCount+`') + 1), value
		FROM meta
		WHERE name LIKE '`+StateCount+`%' AND value > 0
		ORDER BY 1`)
}

// BadByReason returns how many bad recipients there are for each reason, most
// first.
func (r *Reader) BadByReason(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, `
		SELECT CASE category WHEN '' THEN 'blocked by hand' ELSE category || ' / ' || reason END, count(*)
		FROM recipients
		WHERE state = 'bad'
		GROUP BY 1
		ORDER BY 2 DESC, 1`)
}

// asIntended are the reasons, for SQL, of failures for which nobody has to do
// anything: see bounce.Reason.AsIntended.
var asIntended = func() string {
	var names []string
	for _, r := range bounce.Reasons {
		if r.Reason.AsIntended() {
			names = append(names, "'"+string(r.Reason)+"'")
		}
	}
	return "(" + strings.Join(names, ", ") + ")"
}()

// SenderProblemsByProvider returns how many failed attempts were about us, by
// category and reason and by who refused, most first.
func (r *Reader) SenderProblemsByProvider(ctx context.Context) ([]tally.Problem, error) {
	var problems []tally.Problem
	query := `
		SELECT category || ' / ' || reason, coalesce(nullif(provider, ''), domain), count(*)
		FROM bounces
		WHERE scope IN ('sender', 'local') AND reason NOT IN ` + asIntended + `
		GROUP BY 1, 2
		ORDER BY 3 DESC, 1, 2`
	err := sqldb.ScanAll(ctx, r.db, query, func(scan func(...any) error) error {
		var p tally.Problem
		if err := scan(&p.Name, &p.Provider, &p.N); err != nil {
			return err
		}
		problems = append(problems, p)
		return nil
	})
	return problems, err
}

func (r *Reader) counts(ctx context.Context, query string) ([]Count, error) {
	var counts []Count
	err := sqldb.ScanAll(ctx, r.db, query, func(scan func(...any) error) error {
		var c Count
		if err := scan(&c.Name, &c.N); err != nil {
			return err
		}
		counts = append(counts, c)
		return nil
	})
	return counts, err
}

// LastChange returns a number that grows with every change of a recipient.
func (r *Reader) LastChange(ctx context.Context) (seq int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seq'").Scan(&seq)
	return seq, err
}

// Bad calls each for every bad recipient, in the order of their spelling. It sets only
// Recipient, Reason and BadSince. Sorting them is faster than reading the rows in the
// order of the index.
func (r *Reader) Bad(ctx context.Context, each func(*bounce.Recipient) error) error {
	return sqldb.ScanAll(ctx, r.db, `
		SELECT recipient, coalesce(reason, ''), bad_since
		FROM recipients
		WHERE state = 'bad'
		ORDER BY +recipient`, func(scan func(...any) error) error {
		var row bounce.Recipient
		if err := scan(&row.Recipient, &row.Reason, &row.BadSince); err != nil {
			return err
		}
		return each(&row)
	})
}
