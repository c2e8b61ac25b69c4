package incidents_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// server is a mail server whose log is stored and looked at as it is written.
type server struct {
	t      *testing.T
	path   string
	store  *sqlite.Store
	w      *incidents.Watcher
	now    time.Time
	n      int
	batch  bounce.Batch
	failed []bounce.Record // see fail
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, path: filepath.Join(t.TempDir(), "b.db"), now: start}
	var err error
	if s.store, err = sqlite.Open(t.Context(), s.path, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	s.store.Now = func() time.Time { return s.now }
	s.open()
	t.Cleanup(func() { s.w.Close() })
	return s
}

// open opens the watcher, as after a start.
func (s *server) open() {
	s.t.Helper()
	if s.w != nil {
		s.w.Close()
	}
	var err error
	if s.w, err = incidents.Open(s.t.Context(), s.path); err != nil {
		s.t.Fatal(err)
	}
	s.w.Settings = incident.Settings{Sensitivity: incident.Sensitivities["normal"], Addresses: 10, Gap: 6 * time.Hour}
	s.w.Channels = []incidents.Channel{{Name: "me"}, {Name: "lists", Kinds: []incident.Kind{incident.Blocklist}}}
}

func (s *server) id() (id bounce.EventID) {
	s.n++
	sum := sha256.Sum256(fmt.Append(nil, s.n))
	copy(id[:], sum[:])
	return id
}

func (s *server) delivered(n int) {
	s.batch.Domains, s.batch.Providers = []string{"gmail.com"}, []string{"google"}
	for range n {
		s.batch.Successes = append(s.batch.Successes, bounce.Success{ID: s.id(), At: s.now.UnixMilli(), Key: int64(s.n), Provider: 1, First: true})
	}
}

func (s *server) refused(n int, change func(*bounce.Record)) {
	for range n {
		r := bounce.Record{
			Delivery: bounce.Delivery{
				ID: s.id(), At: s.now, MTA: bounce.Postfix, Outcome: bounce.Bounced, First: true, Sender: "news@shop.example", HasSender: true,
				QueueID: fmt.Sprint(s.n), Reply: bounce.Reply{SMTPCode: 550, EnhancedCode: "5.7.26", Text: "550 5.7.26 Unauthenticated email from shop.example is not accepted"},
			},
			Verdict: bounce.Verdict{Category: bounce.DMARC, Reason: bounce.DMARCFailed, Scope: bounce.ScopeSender, Disposition: bounce.Permanent, Rule: "test", Provider: "google"},
			To:      bounce.Address{Normal: fmt.Sprintf("u%d@gmail.com", s.n), Domain: "gmail.com"},
		}
		if change != nil {
			change(&r)
		}
		s.batch.Records.Add(&r)
	}
}

// save stores what was sent.
func (s *server) save() {
	s.t.Helper()
	if _, err := s.store.Save(s.t.Context(), &s.batch); err != nil {
		s.t.Fatal(err)
	}
	s.batch = bounce.Batch{}
}

func (s *server) look(live bool) (due int) {
	s.t.Helper()
	due, err := s.w.Look(s.t.Context(), s.now, live, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return due
}

// pass lets minutes pass in steps of five, with mail in each.
func (s *server) pass(minutes int, mail func()) (due int) {
	s.t.Helper()
	for range minutes / 5 {
		mail()
		s.save()
		s.now = s.now.Add(5 * time.Minute)
		due += s.look(true)
	}
	return due
}

// list returns the incidents in the database that a filter chooses.
func (s *server) list(f incidents.Filter) []incidents.Shown {
	s.t.Helper()
	r, err := query.OpenReader(s.t.Context(), s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	list, err := incidents.List(s.t.Context(), r.Querier(), f)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func (s *server) want(lines ...string) {
	s.t.Helper()
	got := []string{}
	for _, i := range s.list(incidents.Filter{Addresses: 10}) {
		got = append(got, fmt.Sprintf("#%d %s %s %s, rang %v, open %v, %d addresses, backlog %v", i.ID, i.Kind, i.Reason, i.Subject, i.RangAt != "", i.Open(), i.Addresses, i.Backlog))
	}
	if !slices.Equal(got, lines) {
		s.t.Errorf("incidents:\n got %q\nwant %q", got, lines)
	}
}

func TestAnOutageIsFoundToldAndEnds(t *testing.T) {
	s := newServer(t)
	if due := s.pass(25*60, func() { s.delivered(10) }); due != 0 {
		t.Errorf("%d notices of a good day", due)
	}
	bad := func() { s.refused(10, nil) }
	due := s.pass(15, bad)
	s.open() // a restart changes nothing
	if due += s.pass(45, bad); due != 1 {
		t.Errorf("%d notices are due, want 1", due)
	}
	s.want("#1 provider-refuses dmarc google, rang true, open true, 120 addresses, backlog false")
	if due := s.pass(90, func() { s.delivered(10) }); due != 1 {
		t.Errorf("%d notices at the end, want 1", due)
	}
	s.want("#1 provider-refuses dmarc google, rang true, open false, 120 addresses, backlog false")

	r, err := query.OpenReader(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d, err := incidents.Get(t.Context(), r.Querier(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d.Attempts != 120 || d.Addresses != 120 || len(d.Hours) != 1 || len(d.Senders) != 1 || d.Senders[0] != (incidents.Count{Name: "news@shop.example", N: 120}) ||
		len(d.Replies) != 1 || len(d.States) != 1 || d.States[0] != (incidents.Count{Name: "failing", N: 120}) || d.EndedBy != incident.ByDelivery {
		t.Errorf("Get(1): %+v", d)
	}
	if d.Since != "" {
		t.Errorf("Get(1) counted since %q only", d.Since)
	}
}

func TestWhatIsNotTheProvidersDoesNotRing(t *testing.T) {
	for name, change := range map[string]func(*bounce.Record){
		"retries": func(r *bounce.Record) { r.First = false },
		"echoes":  func(r *bounce.Record) { r.Echo = true },
		"greylisting": func(r *bounce.Record) {
			r.Reason, r.Category, r.Outcome = bounce.Greylisted, bounce.RateLimit, bounce.Deferred
		},
		"our maps": func(r *bounce.Record) { r.Reason, r.Scope = bounce.Suppressed, bounce.ScopeLocal },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.pass(25*60, func() { s.delivered(10) })
			if due := s.pass(120, func() { s.delivered(1); s.refused(9, change) }); due != 0 {
				t.Errorf("%d notices are due, want none", due)
			}
		})
	}
}

func TestABoughtListIsABadListAndNoOutage(t *testing.T) {
	s := newServer(t)
	s.pass(25*60, func() { s.delivered(10) })
	s.pass(60, func() {
		s.delivered(3)
		s.refused(7, func(r *bounce.Record) {
			r.Verdict = bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test", Provider: "google"}
			r.Sender = "sales@shop.example"
			r.Reply.Text = "550 5.1.1 <" + r.To.Normal + "> User unknown"
		})
	})
	s.want("#1 bad-list  sales@shop.example, rang true, open true, 77 addresses, backlog false") // by the search for bad lists
	r, err := query.OpenReader(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d, err := incidents.Get(t.Context(), r.Querier(), 1, 0)
	if err != nil || len(d.Replies) != 1 || d.Replies[0].N != 77 || len(d.Receivers) != 1 || d.Receivers[0] != (incidents.Count{Name: "google", N: 77}) {
		t.Errorf("Get(1): %v, replies %v, receivers %v; want one of each for 77 failures", err, d.Replies, d.Receivers)
	}
}

func TestAnImportRingsNothing(t *testing.T) {
	s := newServer(t)
	for m := 0; m < 30*60; m += 5 {
		if m >= 26*60 && m < 28*60 {
			s.refused(10, nil)
		} else {
			s.delivered(10)
		}
		s.now = s.now.Add(5 * time.Minute)
	}
	s.save()
	s.now = s.now.Add(400 * 24 * time.Hour)
	for range 2 {
		if due := s.look(false); due != 0 {
			t.Errorf("%d notices are due, want none", due)
		}
		s.open()
	}
	s.want("#1 provider-refuses dmarc google, rang false, open false, 240 addresses, backlog true")
}

func TestABlocklistingIsListedWhateverTheNumber(t *testing.T) {
	s := newServer(t)
	listed := func(r *bounce.Record) {
		r.Reason, r.Category, r.Blocklist = bounce.IPBlocklisted, bounce.Blocked, "zen.spamhaus.org"
	}
	if due := s.pass(5, func() { s.refused(1, listed) }); due != 0 {
		t.Errorf("one reply: %d notices, want none", due)
	}
	s.want("#1 blocklist ip-blocklisted zen.spamhaus.org, rang false, open true, 1 addresses, backlog false")
	if due := s.pass(5, func() { s.refused(4, listed) }); due != 2 { // to both channels
		t.Errorf("five replies: %d notices, want 2", due)
	}
	r, err := query.OpenReader(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if all, err := incidents.Backtest(t.Context(), r.Querier(), s.w.Settings, start.Add(-time.Hour), s.now); err != nil || len(all) != 1 || all[0].RangAt == "" || all[0].Kind != incident.Blocklist {
		t.Errorf("Backtest: %v, %+v; want the blocklist, which would have rung", err, all)
	}
	// The same failures again change nothing, and a pause ends it.
	s.now = s.now.Add(7 * time.Hour)
	s.open()
	if due := s.look(true); due != 2 {
		t.Errorf("at the end: %d notices, want 2", due)
	}
	s.want("#1 blocklist ip-blocklisted zen.spamhaus.org, rang true, open false, 5 addresses, backlog false")
}

func TestASilencedIncidentIsListedAndNotTold(t *testing.T) {
	s := newServer(t)
	google := "google"
	id, err := s.w.Silence(t.Context(), incidents.Silence{Kind: incident.ProviderRefuses, Subject: &google, Until: bounce.Stamp(start.Add(48 * time.Hour))}, start)
	if err != nil {
		t.Fatal(err)
	}
	s.pass(25*60, func() { s.delivered(10) })
	if due := s.pass(60, func() { s.refused(10, nil) }); due != 0 {
		t.Errorf("%d notices of a silenced incident", due)
	}
	s.want("#1 provider-refuses dmarc google, rang true, open true, 120 addresses, backlog false")
	if err := s.w.EndSilence(t.Context(), id, s.now); err != nil {
		t.Error(err)
	}
	if err := s.w.EndSilence(t.Context(), id, s.now); err == nil {
		t.Error("a silence ended twice")
	}
}

func TestALostPartOfALogIsAnIncident(t *testing.T) {
	s := newServer(t)
	s.batch.Gaps = []bounce.Gap{{At: s.now, Source: "/var/log/mail.log", Path: "/var/log/mail.log.1", Bytes: 7, Why: "truncated"}}
	s.save()
	if due := s.look(true); due != 1 {
		t.Errorf("%d notices, want 1", due)
	}
	if due := s.look(true); due != 0 {
		t.Errorf("%d notices of the same gap again", due)
	}
	s.want("#1 log-gap  /var/log/mail.log, rang true, open true, 0 addresses, backlog false")
}

func TestANewReplyIsReportedOnce(t *testing.T) {
	s := newServer(t)
	s.w.Shape = func(reply string) string { return reply }
	unknown := func(text string) func(*bounce.Record) {
		return func(r *bounce.Record) {
			r.Verdict = bounce.Verdict{Category: bounce.Unclassified, Reason: bounce.Unknown, Scope: bounce.ScopeRecipient, Disposition: bounce.Retry, Rule: "test"}
			r.Reply.Text = text
		}
	}
	for range 4 { // an old one, as often
		s.pass(60, func() { s.refused(3, unknown("550 old")) })
		s.now = s.now.Add(24 * time.Hour)
	}
	s.w.Shape = func(reply string) string { return reply }
	s.pass(60, func() { s.refused(3, unknown("550 old")) })
	s.want("#1 unclassified-surge unknown 550 old, rang true, open false, 36 addresses, backlog false")
	due := s.pass(60, func() { s.refused(3, unknown("550 new words")) })
	if due != 1 {
		t.Errorf("%d notices, want 1", due)
	}
}

// quiet sends mail for two weeks, every hour, and then none for seven hours. It returns
// how many notices are due then.
func (s *server) quiet() (due int) {
	s.t.Helper()
	for range 15 * 24 {
		s.delivered(1)
		s.save()
		s.now = s.now.Add(time.Hour)
	}
	s.look(true)
	for range 7 {
		s.now = s.now.Add(time.Hour)
		due += s.look(true)
	}
	return due
}

func TestAServerThatSendsNothingIsReported(t *testing.T) {
	s := newServer(t)
	if due := s.quiet(); due != 1 {
		t.Errorf("%d notices are due, want 1", due)
	}
	s.want("#1 inactivity  , rang true, open true, 0 addresses, backlog false")
	s.delivered(1)
	s.save()
	s.now = s.now.Add(5 * time.Minute)
	s.look(true)
	s.want("#1 inactivity  , rang true, open false, 0 addresses, backlog false")
}

// Its lines have the time of the machine, which has jumped.
func TestAClockThatHasJumpedIsNoInactivity(t *testing.T) {
	s := newServer(t)
	s.w.Jumped = true
	if due := s.quiet(); due != 0 {
		t.Errorf("%d notices are due, want none", due)
	}
	s.want()
}
