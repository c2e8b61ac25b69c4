package fleet

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestParametersOfAFilterAreNumberedInTheirOrder(t *testing.T) {
	where, args := conditions(query.Filter{
		State: "bad", Since: "2026-01-01T00:00:00.000Z", Changes: true, AfterSeq: 7, BadOrLeft: true, Limit: 3,
		Incident: "reason = ? AND (domain = ? OR suppress)", IncidentArgs: []any{"policy", "example.com"},
	})
	want := `WHERE true AND r.state = $1 AND r.last_failure_at >= $2::text::timestamptz AND r.seq > $3 AND (r.state = 'bad' OR r.left_bad_seq > $4)` +
		` AND r.recipient_key IN (SELECT recipient_key FROM bouncetail.bounces WHERE reason = $5 AND (domain = $6 OR suppress)) ORDER BY r.seq LIMIT $7`
	if where != want || len(args) != 7 || args[5] != "example.com" || args[6] != 3 {
		t.Errorf("conditions: %s %v\nwant %s", where, args, want)
	}
}

// The addresses that failed last are found among the newest failures, and are the same
// as those that a look through all recipients finds.
func TestTheNewestRecipientsAreThoseOfTheNewestFailures(t *testing.T) {
	defer func(looks []int) { newestFailures = looks }(newestFailures)
	newestFailures = []int{5, 12}
	server := pgtest.Get(t)
	database := server.Database(t)
	s := fleet.Settings{DSN: server.DSN(database, "postgres"), Policy: &bounce.Policy{}, Log: quiet}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 60 failures, two at each time, of 40 addresses; every third is bad. The last three
	// failures are refusals of the host itself. One address is blocked and never failed.
	server.SQL(t, database, `
		INSERT INTO bouncetail.bounces (recipient_key, occurred_at, event_id, instance, recipient, domain, mta, outcome, category, reason, scope, disposition, suppress, rule, provider)
		SELECT i * 7 % 40, '2026-01-01T00:00Z'::timestamptz + i / 2 * interval '1 min', decode(lpad(to_hex(i), 4, '0'), 'hex'), 1, format('u%s@example.com', i * 7 % 40), 'example.com', 'postfix', 'bounced',
		  'x', CASE WHEN i < 57 THEN 'x' ELSE 'suppressed' END, 'recipient', 'permanent', false, 'x', CASE WHEN i % 2 = 0 THEN 'google' END
		FROM generate_series(0, 59) i;
		INSERT INTO bouncetail.recipients (recipient_key, recipient, domain, state, decided_by, category, reason, last_failure_at, last_event_id, deciding_at, deciding_event_id, permanent_count, retry_count, seq)
		SELECT DISTINCT ON (recipient_key) recipient_key, recipient, domain, CASE recipient_key % 3 WHEN 0 THEN 'bad' ELSE 'failing' END, 'failure', 'x', 'x', occurred_at, event_id, occurred_at, event_id, 1, 0, recipient_key
		FROM bouncetail.bounces WHERE reason <> 'suppressed' ORDER BY recipient_key, occurred_at DESC, event_id DESC;
		INSERT INTO bouncetail.recipients (recipient_key, recipient, domain, state, decided_by, category, reason, permanent_count, retry_count, seq)
		VALUES (99, 'blocked@example.com', 'example.com', 'bad', 'manual', '', '', 0, 0, 99);
		INSERT INTO bouncetail.decisions (recipient_key, recipient, domain, decision, decided_at, instance, seq) VALUES (99, 'blocked@example.com', 'example.com', 'block', now(), 1, 99)`)
	r, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, filter := range []query.Filter{{}, {State: "bad"}, {Domain: "example.com"}, {Provider: "google"}, {Since: "2026-01-01T00:28:00.000Z"}, {Since: "2026-01-01T00:10:00.000Z", State: "failing"}, {Match: "u1"}} {
		for _, filter.Limit = range []int{1, 2, 3, 5, 9, 12, 30, 100} {
			var got, want []string
			if _, err := r.Recipients(t.Context(), filter, func(row *bounce.Recipient) error { got = append(got, row.Recipient); return nil }); err != nil {
				t.Fatal(err)
			}
			err := pgx.BeginFunc(t.Context(), r.conn, func(tx pgx.Tx) error {
				return r.scanRecipients(t.Context(), tx, "bouncetail.recipients", filter, func(row *bounce.Recipient) error { want = append(want, row.Recipient); return nil })
			})
			if err != nil || !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%+v: %q, want %q, %v", filter, got, want, err)
			}
		}
	}
}

// JIT takes longer than it saves, and a pooler may give the connection to another client
// after the transaction.
func TestListsAreMadeWithoutJIT(t *testing.T) {
	s, _, _ := fleetOf(t, nil)
	r := openFleet(t, s)
	setting := func(row pgx.CollectableRow) (value string, err error) { return value, row.Scan(&value) }
	got, err := list(t.Context(), r, setting, "SELECT current_setting('jit')")
	if err != nil || !slices.Equal(got, []string{"off"}) {
		t.Errorf("jit of a list is %q, %v", got, err)
	}
	var behind string
	if err := r.conn.QueryRow(t.Context(), "SELECT current_setting('jit')").Scan(&behind); err != nil || behind != "on" {
		t.Errorf("jit behind a list is %q, %v", behind, err)
	}
}
