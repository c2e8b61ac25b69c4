package incidents_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// If there is no time for all failures of an incident, the last ones are counted, and the
// numbers of the incident are those that were stored.
func TestLargeIncidentIsCountedAsLongAsThereIsTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	s, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db := sqldb.Connect(path, "rw", "")
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 24999)
		INSERT INTO bounces (event_id, occurred_at, recipient, domain, sender, reply, mta, outcome, category, reason, scope, disposition, suppress, rule, recipient_key, blocklist)
		SELECT i, strftime('%Y-%m-%dT%H:%M:%fZ', 1767225600 + i, 'unixepoch'), i || '@d.example', printf('d%d.example', i % 7), 's@example.com', 'listed', 'postfix', 'bounced',
		  'sender-reputation', 'ip-blocklisted', 'sender', 'permanent', 0, 'x', i, iif(i % 5, 'zen.spamhaus.org', NULL)
		FROM n;
		INSERT INTO incidents (kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, backlog, attempts, addresses, domains, bounce_id)
		SELECT 'blocklist', 'sender', 'sender-reputation', 'ip-blocklisted', '', 'zen.spamhaus.org', min(occurred_at), max(occurred_at), min(occurred_at), 0, 7, 6, 5, max(id) FROM bounces`)
	if err != nil {
		t.Fatal(err)
	}
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, c := range []struct {
		limit                        time.Duration
		attempts, addresses, domains int
		counted                      int
		since                        string
	}{
		{0, 20_000, 20_000, 7, 20_000, ""},
		{1, 7, 6, 5, 1_600, "2026-01-01T06:23:20.000Z"},
	} {
		d, err := incidents.Get(t.Context(), r.Querier(), 1, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		hours := 0
		for _, h := range d.Hours {
			hours += h.N
		}
		if d.Attempts != c.attempts || d.Addresses != c.addresses || d.Domains != c.domains || d.Since != c.since || hours != c.counted || d.Replies[0].N != c.counted || d.Senders[0].N != c.counted {
			t.Errorf("in %v: %+v, %d by hour; want %+v", c.limit, d, hours, c)
		}
	}
}

// The details of an incident have the numbers of the list also when some of its addresses
// are forgotten.
func TestDetailsAgreeWithTheListAfterForgetting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	s, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var people []bounce.Address
	b := &bounce.Batch{}
	for i := range 3 {
		to := bounce.Address{Normal: fmt.Sprintf("user%d@example.com", i), Domain: "example.com"}
		people = append(people, to)
		b.Records.Add(&bounce.Record{
			Delivery: bounce.Delivery{ID: bounce.NewEventID(uint32(i), to.Normal), At: at.Add(time.Duration(i) * time.Minute), MTA: bounce.Postfix, Outcome: bounce.Bounced},
			Verdict:  bounce.Verdict{Category: bounce.Blocked, Reason: "ip-blocklisted", Scope: bounce.ScopeSender, Disposition: bounce.Permanent, Rule: "test", Blocklist: "zen.spamhaus.org"},
			To:       to,
		})
	}
	if _, err := s.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	db := sqldb.Connect(path, "rw", "")
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `
		INSERT INTO incidents (kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, backlog, attempts, addresses, domains, bounce_id)
		SELECT 'blocklist', 'sender', 'blocked', 'ip-blocklisted', '', 'zen.spamhaus.org', min(occurred_at), max(occurred_at), min(occurred_at), 0, 3, 3, 1, max(id) FROM bounces`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Forget(t.Context(), &sqlite.Forgetting{People: people[:1], Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list, err := incidents.List(t.Context(), r.Querier(), incidents.Filter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d incidents, %v", len(list), err)
	}
	d, err := incidents.Get(t.Context(), r.Querier(), list[0].ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d.Attempts != 3 || d.Addresses != 3 || d.Domains != 1 || list[0].Addresses != 3 || len(d.Hours) != 1 || d.Hours[0].N != 2 {
		t.Errorf("the list has %d addresses, the details %+v", list[0].Addresses, d)
	}
}
