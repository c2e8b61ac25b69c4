package sqlite

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// oldDatabase makes a database with the first n migrations.
func oldDatabase(t *testing.T, n int, fill string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "old.db")
	db := sqldb.Connect(path, "rwc", "_journal_mode=WAL")
	defer db.Close()
	for _, step := range migrations.All()[:n] {
		if err := dbfile.Apply(t.Context(), db, step); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheStateRetryBecomesFailing(t *testing.T) {
	path := oldDatabase(t, 5, `
		INSERT INTO bounces (event_id, occurred_at, recipient, domain, mta, outcome, category, reason, scope, disposition, suppress, rule, recipient_key)
		VALUES ('01', '2026-01-01T00:00:00.000Z', 'a@example.com', 'example.com', 'postfix', 'deferred', 'rate-limit', 'greylisted', 'network', 'retry', 0, 'x', 7);
		INSERT INTO recipients
		SELECT 'a@example.com', 'example.com', state, 'failure', 'rate-limit', 'greylisted', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', NULL, 0, 1, NULL, NULL, 1, 1, 7, 1, NULL
		FROM (SELECT 'retry' AS state);
		INSERT INTO recipients
		SELECT 'b@example.com', 'example.com', 'bad', 'manual', '', '', NULL, NULL, NULL, 0, 0, '2026-01-01T00:00:00.000Z', NULL, NULL, NULL, 8, 2, NULL;
		INSERT INTO unread_lines VALUES ('exim', 'shape', 3, 'example', '2026-01-01T00:00:00.000Z');
		UPDATE meta SET value = 2 WHERE name = 'seq';`)
	s, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for query, want := range map[string][]string{
		"SELECT recipient, state, retry_count, seq FROM recipients ORDER BY recipient":        {"a@example.com failing 1 1", "b@example.com bad 0 2"},
		"SELECT recipient, outcome FROM failing_recipients":                                   {"a@example.com deferred"},
		"SELECT recipient FROM bad_recipients":                                                {"b@example.com"},
		"SELECT count(*) FROM suspect_recipients":                                             {"0"},
		"SELECT mta, count, example FROM unparsed_lines":                                      {"exim 3 example"},
		"SELECT transport IS NULL, router IS NULL FROM bounces":                               {"1 1"},
		"SELECT count(*) FROM sqlite_schema WHERE name LIKE '%unread%' OR name LIKE 'retry%'": {"0"},
	} {
		if got := dump(t, s.db, query); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", query, got, want)
		}
	}
	if n, err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	} else if got := dump(t, s.db, "SELECT state FROM recipients ORDER BY recipient"); !slices.Equal(got, []string{"failing", "ok"}) {
		t.Errorf("after a rebuild of %d rows: %q", n, got)
	}
}

// The rows of recipients keep their content when they are stored in another order.
func TestRecipientsAreStoredByKey(t *testing.T) {
	const columns = "recipient, domain, state, decided_by, category, reason, first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count, bad_since, bad_until, last_bounce_id, deciding_bounce_id, recipient_key, seq, memory, left_bad_seq"
	path := oldDatabase(t, 14, "INSERT INTO recipients ("+columns+`)
		SELECT 'a' || value || '@d.example', 'd.example', iif(value % 2, 'bad', 'ok'), 'failure', 'c' || value, 'r' || value, 'first' || value, 'last' || value, nullif('reached' || value, 'reached3'),
		  10 + value, 20 + value, iif(value % 2, 'since' || value, NULL), nullif('until' || value, 'until1'), 30 + value, 40 + value, (value * 7919 % 100 - 50) * 1000000007, 50 + value, 'memory' || value, nullif(60 + value, 62)
		FROM json_each('[1,2,3,4,5,6,7,8,9]')`)
	all := "SELECT " + columns + " FROM recipients ORDER BY recipient"
	db := sqldb.Connect(path, "ro", "")
	want := dump(t, db, all)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := dump(t, s.db, all); len(got) != 9 || !slices.Equal(got, want) {
		t.Errorf("after the migration\n got %q\nwant %q", got, want)
	}
	if got := dump(t, s.db, "SELECT count(*) FROM bad_recipients"); got[0] != "5" {
		t.Errorf("%s bad recipients, want 5", got[0])
	}
	if _, err := s.db.ExecContext(t.Context(), "UPDATE recipients SET recipient = 'a1@d.example'"); err == nil {
		t.Error("two recipients may have one name, want an error")
	}
}

// The classifier reads the transport and the router, so judging again needs them.
func TestRejudgingKnowsTransportAndRouter(t *testing.T) {
	s, _ := openNew(t)
	r := failed("a", 1, bounce.Bounced, true)
	r.Transport, r.Router = "local_delivery", "virtual"
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(r)})
	var got []string
	_, err := s.Rejudge(t.Context(), func(d *bounce.Delivery) bounce.Verdict {
		got = append(got, d.Transport, d.Router)
		return r.Verdict
	}, func(*query.Stored, bounce.Verdict) {})
	if err != nil || !slices.Equal(got, []string{"local_delivery", "virtual"}) {
		t.Errorf("judged with %q, %v", got, err)
	}
}
