package incidents_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

// trouble adds failures of all kinds within three days, not in the order of their times.
func (s *server) trouble(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range 3000 {
		s.fail(r, start.Add(-72*time.Hour), start)
	}
}

var kinds = []bounce.Verdict{
	{Category: bounce.DMARC, Reason: bounce.DMARCFailed, Scope: bounce.ScopeSender},
	{Category: bounce.Blocked, Reason: bounce.IPBlocklisted, Scope: bounce.ScopeSender, Blocklist: "zen.spamhaus.org"},
	{Category: bounce.Blocked, Reason: bounce.IPBlocklisted, Scope: bounce.ScopeSender},
	{Category: bounce.RecipientError, Reason: bounce.SystemTrouble, Scope: bounce.ScopeNetwork},
	{Category: bounce.RecipientError, Reason: bounce.SystemTrouble, Scope: bounce.ScopeDomain},
	{Category: bounce.RecipientError, Reason: bounce.SystemTrouble, Scope: bounce.ScopeLocal},
	{Category: bounce.Rejection, Reason: bounce.SpamContent, Scope: bounce.ScopeMessage},
	{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender},
	{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Suppress: true},
	// Combinations that no rule gives, or few.
	{Category: bounce.Blocked, Reason: bounce.IPBlocklisted, Scope: bounce.ScopeLocal, Suppress: true},
	{Category: bounce.Blocked, Reason: bounce.IPBlocklisted, Scope: bounce.ScopeRecipient, Blocklist: "zen.spamhaus.org"},
	{Category: bounce.RecipientError, Reason: bounce.SystemTrouble, Scope: bounce.ScopeDomain, Suppress: true},
	{Category: bounce.RecipientError, Reason: bounce.SystemTrouble, Scope: bounce.ScopeNetwork, Suppress: true},
	{Category: bounce.InvalidAddress, Reason: bounce.NoSuchDomain, Scope: bounce.ScopeDomain},
	{Category: bounce.InvalidAddress, Reason: bounce.NoSuchDomain, Scope: bounce.ScopeDomain, Suppress: true},
	{Category: bounce.Blocked, Reason: bounce.Suppressed, Scope: bounce.ScopeLocal},
	{Category: bounce.DMARC, Reason: bounce.DMARCFailed, Scope: bounce.ScopeMessage},
}

// fail adds a failure of any kind after a time and not after another.
func (s *server) fail(r *rand.Rand, from, to time.Time) {
	s.n++
	domain, v := fmt.Sprintf("d%d.example", r.IntN(8)), kinds[r.IntN(len(kinds))]
	if r.IntN(2) == 0 {
		v.Provider = []string{"google", "outlook"}[r.IntN(2)]
	}
	v.Disposition, v.Rule = bounce.Permanent, "test"
	record := bounce.Record{
		Delivery: bounce.Delivery{
			ID: s.id(), At: to.Add(-time.Duration(r.Int64N(int64(to.Sub(from)/time.Second))) * time.Second), MTA: bounce.Postfix, Outcome: bounce.Bounced, First: true,
			Sender: "news@shop.example", HasSender: true, QueueID: fmt.Sprint(s.n), Reply: bounce.Reply{SMTPCode: 550, EnhancedCode: fmt.Sprintf("5.7.%d", r.IntN(9)), Text: "550 no"},
		},
		Verdict: v, To: bounce.Address{Normal: fmt.Sprintf("u%d@%s", r.IntN(500), domain), Domain: domain},
	}
	s.batch.Records.Add(&record)
	s.failed = append(s.failed, record)
}

// checkCounts compares the numbers of the incidents that failures with one cause make with
// the failures that have it, and returns how many incidents there are.
func (s *server) checkCounts() (checked int) {
	s.t.Helper()
	for _, i := range s.list(incidents.Filter{}) {
		if i.Open() || !slices.Contains([]incident.Kind{incident.ProviderRefuses, incident.Unreachable, incident.OwnServer, incident.OwnNetwork}, i.Kind) || i.Reason == incident.Mixed {
			continue
		}
		checked++
		addresses, domains, n := make(map[string]bool), make(map[string]bool), 0
		for _, one := range s.failed {
			f := incident.Failure{Domain: one.To.Domain, Provider: one.Provider, Blocklist: one.Blocklist, Scope: one.Scope, Reason: one.Reason}
			at := bounce.Stamp(one.At)
			of := f.Cause() == i.Cause() || i.Kind == incident.OwnNetwork && f.Scope == bounce.ScopeNetwork && f.Reason == i.Reason
			if !of || one.Suppress || one.Scope == bounce.ScopeRecipient || one.Scope == bounce.ScopeMessage || at < i.StartedAt || at > i.LastAt {
				continue
			}
			n++
			addresses[one.To.Normal], domains[one.To.Domain] = true, true
		}
		if i.Attempts != n || i.Addresses != len(addresses) || i.Domains != len(domains) {
			s.t.Errorf("#%d %s %s %s: %d attempts, %d addresses, %d domains; failures have %d, %d, %d", i.ID, i.Kind, i.Reason, i.Subject, i.Attempts, i.Addresses, i.Domains, n, len(addresses), len(domains))
		}
	}
	return checked
}

// importBatch stores the batch like an import whose first transaction fails, and returns
// the failures that it kept.
func (s *server) importBatch() *incident.NewFailures {
	s.t.Helper()
	failures := &incident.NewFailures{}
	for _, fails := range []bool{true, false} {
		tx, err := s.store.Begin(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		failures.Begin()
		tx.EachNew(failures.Add)
		tx.EachFirst(failures.AddFirst)
		if _, err := tx.Add(&s.batch); err != nil {
			s.t.Fatal(err)
		}
		if fails {
			err = tx.Rollback()
		} else if err = tx.Commit(); err == nil {
			failures.Commit()
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.batch = bounce.Batch{}
	return failures
}

func (s *server) incidents() (all []string) {
	s.t.Helper()
	for _, i := range s.list(incidents.Filter{}) {
		all = append(all, fmt.Sprintf("%+v", i))
	}
	return all
}

// The failures that an import keeps in memory give the same incidents as those that are
// read from the database, also if it held failures before.
func TestFailuresInMemoryGiveTheIncidentsOfTheStoredOnes(t *testing.T) {
	old := func(s *server) {
		s.refused(7000, func(r *bounce.Record) { r.At = start.Add(-30 * 24 * time.Hour) })
	}
	for _, c := range []struct {
		name     string
		before   []func(*server)
		lookedAt bool
	}{
		{"a new database", nil, false},
		{"older failures", []func(*server){func(s *server) { s.trouble(1) }}, true},
		{"older failures that were not looked at", []func(*server){func(s *server) { s.trouble(1) }}, false},
		{"failures of long ago", []func(*server){old}, true},
		{"older failures before those of long ago", []func(*server){func(s *server) { s.trouble(1) }, old}, true},
		{"older failures after those of long ago", []func(*server){old, func(s *server) { s.trouble(1) }}, true},
	} {
		var got [2][]string
		for i, inMemory := range []bool{false, true} {
			s := newServer(t)
			for _, store := range c.before {
				store(s)
				s.save()
			}
			if c.lookedAt {
				s.look(false)
				s.open() // as another import
			}
			s.trouble(2)
			s.now = s.now.Add(12 * time.Hour) // so that all of them are over
			failures := s.importBatch()
			if inMemory {
				s.w.New = failures
			}
			s.look(false)
			got[i] = s.incidents()
		}
		if len(got[0]) < 10 || !slices.Equal(got[0], got[1]) {
			t.Errorf("%s: %d incidents from the database, %d from memory:\n%s\n\n%s", c.name, len(got[0]), len(got[1]), strings.Join(got[0], "\n"), strings.Join(got[1], "\n"))
		}
	}
}

// What is in memory is not read again: it shows a failure that the database does not hold.
func TestFailuresInMemoryAreNotReadAgain(t *testing.T) {
	for _, older := range []int{0, 30} {
		s := newServer(t)
		if older > 0 {
			s.refused(older, func(r *bounce.Record) { r.At = start.Add(-5 * time.Hour) })
			failures := s.importBatch()
			s.now = s.now.Add(12 * time.Hour)
			s.w.New = failures
			s.look(false)
			s.open()
			s.now = start
		}
		s.refused(20, nil)
		failures := s.importBatch()
		_, last := failures.IDs()
		failures.Add(last, 12345, &bounce.Record{
			Delivery: bounce.Delivery{At: s.now},
			Verdict:  bounce.Verdict{Category: bounce.DMARC, Reason: bounce.DMARCFailed, Scope: bounce.ScopeSender, Provider: "google"},
			To:       bounce.Address{Domain: "gmail.com"},
		})
		failures.Commit()
		s.now = s.now.Add(12 * time.Hour)
		s.w.New = failures
		s.look(false)
		s.want(fmt.Sprintf("#1 provider-refuses dmarc google, rang false, open false, %d addresses, backlog true", older+21))
	}
}

// The numbers of an incident are those of the failures with its cause, whether they are
// counted in memory or in the database.
func TestIncidentsCountTheFailuresWithTheirCause(t *testing.T) {
	for seed := range uint64(4) {
		for _, inMemory := range []bool{false, true} {
			s := newServer(t)
			r := rand.New(rand.NewPCG(seed, 5))
			for range 300 {
				s.fail(r, start.Add(-5*time.Hour), start)
			}
			s.now = s.now.Add(12 * time.Hour) // so that all of them are over
			failures := s.importBatch()
			if inMemory {
				s.w.New = failures
			}
			s.look(false)
			if checked := s.checkCounts(); checked < 10 {
				t.Errorf("seed %d, in memory %v: only %d incidents", seed, inMemory, checked)
			}
		}
	}
}

// What imports add to incidents gives the numbers that counting all of their failures
// gives: whatever they continue, and whatever a daemon or a later log adds in between.
func TestImportsAddToIncidentsWhatCountingAllGives(t *testing.T) {
	for seed := range uint64(15) {
		var got [2][]string
		for i, inMemory := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 3))
			s := newServer(t)
			for range 3 + r.IntN(4) {
				from := s.now.Add(-time.Duration(r.Int64N(int64(4 * time.Hour))))
				s.now = s.now.Add(time.Minute + time.Duration(r.Int64N(int64(7*time.Hour))))
				for range 1 + r.IntN(150) {
					s.fail(r, from, s.now)
				}
				ends := s.now
				daemon := r.IntN(5) == 0
				if !daemon {
					s.now = s.now.Add(12 * time.Hour) // the log is old
				}
				s.open()
				failures := s.importBatch()
				if inMemory && !daemon {
					s.w.New = failures
				}
				s.look(daemon)
				s.now = ends
			}
			s.now = s.now.Add(12 * time.Hour) // so that all of them are over
			s.open()
			s.look(false)
			got[i] = s.incidents()
		}
		if len(got[0]) == 0 || !slices.Equal(got[0], got[1]) {
			t.Errorf("seed %d: counting all gives\n%s\n\nadding gives\n%s", seed, strings.Join(got[0], "\n"), strings.Join(got[1], "\n"))
		}
	}
}

// An incident that goes on is not counted again: its numbers are added to.
func TestAnIncidentThatGoesOnIsNotCountedAgain(t *testing.T) {
	s := newServer(t)
	for day := range 3 {
		s.now = start.Add(time.Duration(day) * 5 * time.Hour)
		s.refused(20, nil)
		s.refused(1, func(r *bounce.Record) { // the same each time
			r.To = bounce.Address{Normal: "jane@gmail.com", Domain: "gmail.com"}
		})
		failures := s.importBatch()
		s.now = start.Add(48 * time.Hour)
		s.open()
		s.w.New = failures
		s.look(false)
		if day == 1 { // what was counted is not looked at again
			if _, err := s.w.DB().ExecContext(t.Context(), "DELETE FROM bounces WHERE occurred_at = ? AND recipient <> 'jane@gmail.com'", bounce.Stamp(start)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.want("#1 provider-refuses dmarc google, rang false, open false, 61 addresses, backlog true")
	if all := s.incidents(); !strings.Contains(all[0], "Attempts:63 ") {
		t.Error(all[0])
	}
}
