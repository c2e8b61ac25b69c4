package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/output/fleet"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

var (
	quiet = slog.New(slog.DiscardHandler)
	first = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
)

// someFailures are failures and deliveries of three weeks.
func someFailures(r *rand.Rand, n int) (all []*bounce.Batch) {
	for i := range n {
		at := first.Add(time.Duration(r.IntN(21*24*60)) * time.Minute)
		b := &bounce.Batch{Domains: []string{"d0.example", "d1.example", "d2.example"}}
		all = append(all, b)
		domain := r.IntN(3)
		to := bounce.Address{Normal: fmt.Sprintf("user%d@%s", r.IntN(40), b.Domains[domain]), Domain: b.Domains[domain]}
		id := bounce.NewEventID(uint32(i), fmt.Sprint(to.Normal, at.UnixMilli(), r.Int()))
		if r.IntN(3) == 0 {
			b.Successes = append(b.Successes, bounce.Success{ID: id, At: at.UnixMilli(), Key: to.Key(), Domain: uint32(domain)})
			continue
		}
		one := bounce.Record{
			Delivery: bounce.Delivery{
				ID: id, At: at, MTA: bounce.Postfix, Host: "mx", Outcome: bounce.Deferred,
				Sender: []string{"news@shop.example", "shop@shop.example", ""}[r.IntN(3)], HasSender: r.IntN(4) > 0,
				Reply: bounce.Reply{SMTPCode: 450 + r.IntN(3), EnhancedCode: "4.7.1", Text: fmt.Sprintf("450 4.7.1 Try again, %s", to.Normal), RelayHost: []string{"mx.d0.example", "mx1.hoster.example"}[r.IntN(2)], RelayIP: "192.0.2.7"},
			},
			Verdict: bounce.Verdict{Category: bounce.Blocked, Reason: "policy", Scope: bounce.ScopeSender, Disposition: bounce.Retry, Rule: "test"},
			To:      to,
		}
		switch r.IntN(5) {
		case 0:
			one.Outcome, one.Verdict = bounce.Bounced, bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"}
		case 1:
			one.Blocklist, one.Reason = "zen.spamhaus.org", "ip-blocklisted"
		case 2:
			one.Category, one.Reason = bounce.Unclassified, "unclassified"
		case 3:
			one.Scope, one.Reason = bounce.ScopeNetwork, "timeout"
		}
		one.Provider = []string{"google", "yahoo", ""}[r.IntN(3)]
		b.Records.Add(&one)
	}
	return all
}

// fleetOf returns a fleet with hosts mx1, mx2 and so on, that have read and sent batches,
// the paths of their databases, and a database with all batches. Each host has the
// incidents.
func fleetOf(t *testing.T, some []incident.Incident, of ...[]*bounce.Batch) (s fleet.Settings, paths []string, one *query.Reader) {
	t.Helper()
	server := pgtest.Get(t)
	database := server.Database(t)
	policy := &bounce.Policy{}
	s = fleet.Settings{DSN: server.DSN(database, "postgres"), Policy: policy, Version: "test", Log: quiet}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.SQL(t, database, fmt.Sprintf("CREATE ROLE sender_of_%[1]s LOGIN IN ROLE bouncetail_sender; CREATE ROLE reader_of_%[1]s LOGIN IN ROLE bouncetail_reader", database))
	all := filepath.Join(t.TempDir(), "all.db")
	whole := openStore(t, all, policy)
	for i, batches := range of {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("mx%d.db", i+1))
		store := openStore(t, path, policy)
		for _, b := range batches {
			for _, into := range []*sqlite.Store{store, whole} {
				if _, err := into.Save(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
		}
		insert(t, path, some)
		paths = append(paths, path)
	}
	for range 2 { // the second time, each has heard of what the others have sent
		for i, path := range paths {
			s.Instance, s.Database = fmt.Sprintf("mx%d", i+1), path
			if _, err := (&fleet.Sender{Settings: s}).SendAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.DSN = server.DSN(database, "reader_of_"+database)
	return s, paths, openReader(t, all)
}

func openStore(t *testing.T, path string, policy *bounce.Policy) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, _, err := s.UsePolicy(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	return s
}

func openReader(t *testing.T, path string) *query.Reader {
	t.Helper()
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func openFleet(t *testing.T, s fleet.Settings) *Reader {
	t.Helper()
	r, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// insert stores incidents as the daemon would.
func insert(t *testing.T, path string, some []incident.Incident) {
	t.Helper()
	db := sqldb.Connect(path, "rw", "")
	defer db.Close()
	for _, i := range some {
		_, err := db.ExecContext(t.Context(), `
			INSERT INTO incidents (kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, over_at, part_of, backlog, tried, refused, baseline, p, attempts, addresses, domains, bounce_id)
			VALUES (?, ?, 'blocked', ?, '4.7.1', ?, ?, ?, ?, nullif(?, ''), nullif(?, 0), 0, 40, 30, 0.125, 1e-9, 30, 20, 2, (SELECT max(id) FROM bounces))`,
			string(i.Kind), string(i.Scope), string(i.Reason), i.Subject, i.StartedAt, i.LastAt, i.StartedAt, i.OverAt, i.PartOf)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTopOfAFleetIsThatOfOneHostWithAllLogs(t *testing.T) {
	for seed := range volume.Of[uint64](1, 3) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, _, one := fleetOf(t, nil, someFailures(r, 150), someFailures(r, 150), someFailures(r, 80))
		all := openFleet(t, s)
		for _, kind := range report.TopKinds {
			for _, f := range []query.Filter{
				{}, {Limit: 2}, {Provider: "google"}, {Sender: "news@shop.example", Category: "blocked"}, {Domain: "d1.example", Reason: "policy"}, {Match: "user1"}, {Host: "mx", Match: "user?@*"},
			} {
				got, want := report.TopList{TopKind: kind, Since: first.AddDate(0, 0, 3), Until: first.AddDate(0, 0, 17)}, report.TopList{TopKind: kind, Since: first.AddDate(0, 0, 3), Until: first.AddDate(0, 0, 17)}
				if err := got.Read(t.Context(), all, f); err != nil {
					t.Fatalf("top %s %+v: %v", kind.Name, f, err)
				}
				if err := want.Read(t.Context(), one, f); err != nil {
					t.Fatal(err)
				}
				if got.Failed != want.Failed || !reflect.DeepEqual(got.Rows, want.Rows) || got.Failed == 0 {
					t.Errorf("seed %d, top %s %+v: of %d failures\n%+v\nwant %d\n%+v", seed, kind.Name, f, got.Failed, show(got.Rows), want.Failed, show(want.Rows))
				}
			}
		}
		// What is bad by many failures has no refusal.
		pgtest.Get(t).SQL(t, all.conn.Config().Database, "DELETE FROM bouncetail.refusals WHERE recipient_key % 2 = 0")
		before, err := one.BadByProvider(t.Context())
		if after, err2 := all.BadByProvider(t.Context()); err != nil || err2 != nil || len(before) == 0 || !sameCounts(before, after) {
			t.Errorf("bad by provider: %v, %v; want %v, %v", after, err2, before, err)
		}
		got, err := all.LastFailure(t.Context())
		if want, err2 := one.LastFailure(t.Context()); err != nil || err2 != nil || got != want || got == "" {
			t.Errorf("the last failure is of %q, %v; want %q, %v", got, err, want, err2)
		}
	}
}

func sameCounts(a, b []query.Count) bool {
	of := func(counts []query.Count) map[string]int64 {
		all := make(map[string]int64)
		for _, c := range counts {
			all[c.Name] += int64(c.N)
		}
		return all
	}
	return reflect.DeepEqual(of(a), of(b))
}

func show(rows []report.Top) string {
	var b strings.Builder
	for _, row := range rows {
		name := "?"
		if row.Name != nil {
			name = *row.Name
		}
		row.Name = nil
		fmt.Fprintf(&b, "%s %+v\n", name, row)
	}
	return b.String()
}

// One incident of each kind, and of each subject that is looked for in another way.
var everyIncident = func() (all []incident.Incident) {
	from, to := bounce.Stamp(first.AddDate(0, 0, 2)), bounce.Stamp(first.AddDate(0, 0, 18))
	for _, i := range []incident.Incident{
		{Kind: incident.ProviderRefuses, Subject: "google", Reason: "policy", Scope: bounce.ScopeSender},
		{Kind: incident.ProviderRefuses, Subject: "yahoo", Reason: incident.Mixed, Scope: bounce.ScopeSender},
		{Kind: incident.Unreachable, Subject: "d1.example", Reason: "timeout", Scope: bounce.ScopeNetwork},
		{Kind: incident.OwnServer, Subject: bounce.OtherValue, Reason: "policy", Scope: bounce.ScopeSender, PartOf: 1},
		{Kind: incident.Blocklist, Subject: "zen.spamhaus.org", Reason: "ip-blocklisted", Scope: bounce.ScopeSender},
		{Kind: incident.OwnNetwork, Reason: "timeout", Scope: bounce.ScopeNetwork},
		{Kind: incident.Drift, Subject: "google"},
		{Kind: incident.BadSurge, Subject: "d1.example"},
		{Kind: incident.BadSurge, Subject: "192.0.2.7"},
		{Kind: incident.BadList, Subject: "news@shop.example"},
		{Kind: incident.UnclassifiedSurge, Subject: "450 Try again", Reason: "unclassified", Scope: bounce.ScopeSender},
		{Kind: incident.Inactivity},
		{Kind: incident.LogStalled, Subject: "mail"},
		{Kind: incident.LogGap, Subject: "mail"},
		{Kind: incident.BadSurge, Subject: "hoster.example"},
	} {
		i.StartedAt, i.LastAt = from, to
		if len(all)%2 == 1 {
			i.OverAt = to
		}
		all = append(all, i)
	}
	return all
}()

// Also if the hosts have read some failures in the same log.
func TestAnIncidentOfAFleetIsThatOfItsHost(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	shared := someFailures(r, 100)
	s, paths, _ := fleetOf(t, everyIncident, append(someFailures(r, 150), shared...), append(someFailures(r, 150), shared...))
	all := openFleet(t, s)
	s.DSN = strings.Replace(s.DSN, "reader_of", "sender_of", 1)
	sender := openFleet(t, s)
	counted := 0
	for n, path := range paths {
		one, host := openReader(t, path), fmt.Sprintf("mx%d", n+1)
		for i := range everyIncident {
			id := int64(i + 1)
			kind := everyIncident[i].Kind
			want, err := incidents.Get(t.Context(), one.Querier(), id, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := all.Incident(t.Context(), host, id)
			if err != nil {
				t.Fatalf("incident %d, %s: %v", id, kind, err)
			}
			// In a fleet, failures have no numbers, and states follow from all hosts.
			want.Instance, want.BounceID = host, 0
			if other := fmt.Sprintf("mx%d/%d", 2-n, id); !slices.Contains(got.Others, other) {
				t.Errorf("incident %s/%d, %s: other hosts have %q, want %s", host, id, kind, got.Others, other)
			}
			want.Others = got.Others
			if sum(got.States) != sum(want.States) {
				t.Errorf("incident %s/%d, %s: states %v of other addresses than %v", host, id, kind, got.States, want.States)
			}
			want.States = got.States
			if !reflect.DeepEqual(got, want) {
				t.Errorf("incident %s/%d, %s:\n%+v\nwant\n%+v", host, id, kind, got, want)
			}
			if counted += len(got.Hours); everyIncident[i].Subject == "hoster.example" && len(got.Hours) == 0 {
				t.Errorf("incident %s/%d has no failures of the servers of hoster.example", host, id)
			}
			compareFailures(t, all, one, host, id, kind)
			// Who may not read replies is shown the rest.
			public, err := sender.Incident(t.Context(), host, id)
			if err != nil {
				t.Errorf("incident %s/%d, %s, without replies: %v", host, id, kind, err)
				continue
			}
			if public.Reply != "" || len(public.Senders)+len(public.Replies) != 0 {
				t.Errorf("incident %s/%d, %s, without replies: %+v", host, id, kind, public)
			}
			if kind != incident.BadList && !reflect.DeepEqual(public.Hours, want.Hours) {
				t.Errorf("incident %s/%d, %s, without replies: %v, want %v", host, id, kind, public.Hours, want.Hours)
			}
		}
	}
	if counted < 100 {
		t.Errorf("only %d hours with failures were compared", counted)
	}
	for _, unknown := range []struct {
		host string
		id   int64
	}{{"mx1", 99}, {"mx9", 1}} {
		if _, err := all.Incident(t.Context(), unknown.host, unknown.id); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("no incident %s/%d; bouncetail incidents --fleet", unknown.host, unknown.id)) {
			t.Errorf("an unknown incident: %v", err)
		}
	}
}

func sum(counts []incidents.Count) (n int) {
	for _, c := range counts {
		n += c.N
	}
	return n
}

// compareFailures checks that a filter by an incident chooses the same failures and
// addresses in the fleet as on its host.
func compareFailures(t *testing.T, all *Reader, one *query.Reader, host string, id int64, kind incident.Kind) {
	t.Helper()
	var f, g query.Filter
	var err, noFailures error
	f.Incident, f.IncidentArgs, noFailures = incidents.FailuresOf(t.Context(), one.Querier(), id)
	g.Incident, g.IncidentArgs, err = all.FailuresOfIncident(t.Context(), host, id)
	if noFailures != nil {
		if err == nil || !strings.Contains(err.Error(), "is not about failures") {
			t.Errorf("incident %d, %s: %v, want that it is not about failures", id, kind, err)
		}
		return
	}
	if err != nil {
		t.Errorf("incident %d, %s: %v", id, kind, err)
		return
	}
	want, got := report.TopList{TopKind: report.TopKinds[4], Since: first, Until: first.AddDate(0, 1, 0)}, report.TopList{TopKind: report.TopKinds[4], Since: first, Until: first.AddDate(0, 1, 0)}
	if err := want.Read(t.Context(), one, f); err != nil {
		t.Fatal(err)
	}
	if err := got.Read(t.Context(), all, g); err != nil || !reflect.DeepEqual(got.Rows, want.Rows) {
		t.Errorf("top senders of incident %d, %s: %v\n%s\nwant\n%s", id, kind, err, show(got.Rows), show(want.Rows))
	}
	type reader interface {
		Recipients(ctx context.Context, f query.Filter, each func(*bounce.Recipient) error) (int64, error)
	}
	count := func(r reader, f query.Filter) (n int) {
		if _, err := r.Recipients(t.Context(), f, func(*bounce.Recipient) error { n++; return nil }); err != nil {
			t.Errorf("recipients of incident %d, %s: %v", id, kind, err)
		}
		return n
	}
	if got, want := count(all, g), count(one, f); got != want {
		t.Errorf("incident %d, %s: %d recipients, want %d", id, kind, got, want)
	}
}

func TestIncidentsOfAllHostsAreListed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	s, paths, _ := fleetOf(t, everyIncident, someFailures(r, 30), someFailures(r, 30))
	all := openFleet(t, s)
	for _, f := range []incidents.Filter{{}, {Open: true}, {Since: bounce.Stamp(first.AddDate(0, 1, 0))}, {Addresses: 10}, {Addresses: 1000}} {
		var want []string
		for n, path := range paths {
			of, err := incidents.List(t.Context(), openReader(t, path).Querier(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range of {
				i.Instance = fmt.Sprintf("mx%d", n+1)
				want = append(want, fmt.Sprint(i.Name(), i.Subject, i.Reply, i.Open(), i.Tried, i.Baseline, i.P, i.Advice))
			}
		}
		list, err := all.Incidents(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]bool)
		over := false
		for _, i := range list {
			got[fmt.Sprint(i.Name(), i.Subject, i.Reply, i.Open(), i.Tried, i.Baseline, i.P, i.Advice)] = true
			if over = over || !i.Open(); over && i.Open() {
				t.Errorf("%+v: %s is open and follows one that is over", f, i.Name())
			}
		}
		if len(got) != len(want) || len(list) != len(want) {
			t.Errorf("%+v: %d incidents, want %d", f, len(list), len(want))
		}
		for _, i := range want {
			if !got[i] {
				t.Errorf("%+v: %s is missing", f, i)
			}
		}
	}
}

func TestSendersAreShownToReadersOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	s, _, _ := fleetOf(t, everyIncident, someFailures(r, 30))
	s.DSN = strings.Replace(s.DSN, "reader_of", "sender_of", 1)
	sender := openFleet(t, s)
	for what, do := range map[string]func() error{
		"top senders": func() error {
			_, err := sender.FailureGroups(t.Context(), query.BySender, first, first.AddDate(0, 1, 0), query.Filter{})
			return err
		},
		"top --sender": func() error {
			_, err := sender.FailureGroups(t.Context(), query.ByReason, first, first.AddDate(0, 1, 0), query.Filter{Sender: "news@shop.example"})
			return err
		},
		"--incident of a sender": func() error {
			_, _, err := sender.FailuresOfIncident(t.Context(), "mx1", 10)
			return err
		},
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "GRANT bouncetail_reader") {
			t.Errorf("%s: %v, want an error that names the role", what, err)
		}
	}
	list, err := sender.Incidents(t.Context(), incidents.Filter{})
	if err != nil || len(list) != len(everyIncident) {
		t.Fatalf("%d incidents, %v", len(list), err)
	}
	for _, i := range list {
		if i.Reply != "" || strings.Contains(i.Subject, "@") || i.Kind == incident.UnclassifiedSurge && i.Subject != "" {
			t.Errorf("a sender is shown %+v", i)
		}
	}
}
