package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// policy is one that a test can follow by hand.
var policy = bounce.Policy{
	General:    bounce.Threshold{Failures: 4, Days: 3, Window: 10, BadDays: 5},
	Categories: map[bounce.Category]bounce.Threshold{bounce.MailboxFull: {Failures: 3, Days: 2, Window: 7, BadDays: 10, SuppressDays: 0}, bounce.Blocked: {}},
}

const hour, aDay = 60, 24 * 60 // in minutes

// full is a bounce for a full mailbox, minutes after noon.
func full(local string, minute int) bounce.Record {
	return judged(local, minute, bounce.Bounced, bounce.MailboxFull, bounce.MailboxFullReason, bounce.ScopeRecipient)
}

func judged(local string, minute int, o bounce.Outcome, c bounce.Category, reason bounce.Reason, scope bounce.Scope) bounce.Record {
	r := failed(local, minute, o, false)
	r.ID = id(fmt.Sprint(local, minute, o, c, reason))
	r.Category, r.Reason, r.Scope = c, reason, scope
	return r
}

// under opens a new database under a policy and a clock.
func under(t *testing.T, p bounce.Policy, now time.Time) (*Store, string) {
	t.Helper()
	s, path := openNew(t)
	s.Now = func() time.Time { return now }
	if _, _, err := s.UsePolicy(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	return s, path
}

func TestPolicyMakesAnAddressBad(t *testing.T) {
	refused := func(minute int, c bounce.Category, scope bounce.Scope, o bounce.Outcome) bounce.Record {
		return judged("a", minute, o, c, bounce.RecipientRefused, scope)
	}
	series := func(c bounce.Category, scope bounce.Scope, o bounce.Outcome) []bounce.Record {
		var all []bounce.Record
		for i := range 8 {
			all = append(all, refused(i*aDay, c, scope, o))
		}
		return all
	}
	for name, c := range map[string]struct {
		records   []bounce.Record
		successes []bounce.Success
		after     int // minutes, at which the state is looked at
		want      string
	}{
		"two of three":                         {records: []bounce.Record{full("a", 0), full("a", 2*aDay)}, want: "failing failure - -"},
		"three within a day":                   {records: []bounce.Record{full("a", 0), full("a", 1), full("a", 2)}, want: "failing failure - -"},
		"three over two days":                  {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay)}, want: "bad policy 2026-11-25 2026-12-05"},
		"the window has left the first behind": {records: []bounce.Record{full("a", 0), full("a", 6*aDay), full("a", 7*aDay)}, want: "failing failure - -"},
		"one more renews it":                   {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay), full("a", 4*aDay)}, want: "bad policy 2026-11-25 2026-12-07"},
		"a delivery between":                   {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay)}, successes: []bounce.Success{succeeded("a", 30*hour)}, want: "failing failure - -"},
		"a delivery after":                     {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay)}, successes: []bounce.Success{succeeded("a", 60*hour)}, want: "ok delivery - -"},
		"its time is over":                     {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay)}, after: 12 * aDay, want: "failing time - -"},
		"a new period when its time is over":   {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay), full("a", 13*aDay)}, after: 13 * aDay, want: "failing failure - -"},
		"one that proves it bad goes before":   {records: []bounce.Record{full("a", 0), full("a", aDay), full("a", 2*aDay), failed("a", 3*aDay, bounce.Bounced, true)}, after: 99 * aDay, want: "bad failure 2026-11-25 -"},
		"another category by the general rule": {records: series(bounce.RecipientError, bounce.ScopeRecipient, bounce.Bounced), after: 8 * aDay, want: "bad policy 2026-11-26 2026-12-05"},
		"a category that is never counted":     {records: series(bounce.Blocked, bounce.ScopeRecipient, bounce.Bounced), want: "failing failure - -"},
		"the domain's outage":                  {records: series(bounce.RecipientError, bounce.ScopeDomain, bounce.Expired), want: "failing failure - -"},
		"the network's":                        {records: series(bounce.RecipientError, bounce.ScopeNetwork, bounce.Expired), want: "failing failure - -"},
		"our own":                              {records: series(bounce.SenderReputation, bounce.ScopeSender, bounce.Bounced), want: "failing failure - -"},
		"given up on, and nobody knows why":    {records: series(bounce.Unclassified, bounce.ScopeNetwork, bounce.Expired), after: 8 * aDay, want: "bad policy 2026-11-26 2026-12-05"},
		"put off, and nobody knows why":        {records: series(bounce.Unclassified, bounce.ScopeNetwork, bounce.Deferred), want: "failing failure - -"},
		"categories are not counted together":  {records: []bounce.Record{full("a", 0), full("a", 2*aDay), refused(1, bounce.RecipientError, bounce.ScopeRecipient, bounce.Bounced), refused(3*aDay, bounce.RecipientError, bounce.ScopeRecipient, bounce.Bounced)}, want: "failing failure - -"},
		"failures of another kind change none": {records: append(series(bounce.RecipientError, bounce.ScopeNetwork, bounce.Deferred), full("a", 0), full("a", aDay), full("a", 2*aDay)), want: "bad policy 2026-11-25 2026-12-05"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := under(t, policy, day.Add(time.Duration(c.after)*time.Minute))
			save(t, s, &bounce.Batch{Records: bounce.NewRecords(c.records...), Successes: c.successes})
			const query = "SELECT state, decided_by, coalesce(substr(bad_since, 1, 10), '-'), coalesce(substr(bad_until, 1, 10), '-') FROM recipients"
			if got := dump(t, s.db, query); !slices.Equal(got, []string{c.want}) {
				t.Errorf("recipients: got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStatesThatEndByTimeAreMovedOn(t *testing.T) {
	now := day
	s, path := under(t, policy, now)
	s.Now = func() time.Time { return now }
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(full("a", 0), full("a", aDay), full("a", 2*aDay), failed("b", 0, bounce.Bounced, true))})
	e := editor(t, path, day)
	for _, c := range []struct{ local, decision string }{{"b", recipient.Allow}, {"never", recipient.Block}} {
		if _, err := e.Decide(t.Context(), c.decision, []bounce.Address{to(c.local)}, "", day.AddDate(0, 0, 5)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		days    int
		changed int
		want    string
	}{
		{0, 0, "a bad policy, b ok manual, never bad manual"},
		{4, 0, "a bad policy, b ok manual, never bad manual"},
		{5, 2, "a bad policy, b bad failure"},
		{11, 0, "a bad policy, b bad failure"},
		{12, 1, "a failing time, b bad failure"},
		{99, 0, "a failing time, b bad failure"},
	} {
		now = day.AddDate(0, 0, c.days)
		n, err := s.Expire(t.Context())
		got := strings.ReplaceAll(strings.Join(dump(t, s.db, "SELECT recipient, state, decided_by FROM recipients ORDER BY recipient"), ", "), "@example.com", "")
		if err != nil || n != c.changed || got != c.want {
			t.Errorf("after %d days Expire: %d, %v, %q; want %d, %q", c.days, n, err, got, c.changed, c.want)
		}
	}
	if n, err := s.Rebuild(t.Context()); err != nil || n != 0 {
		t.Errorf("Rebuild after that: %d rows changed, %v; want none", n, err)
	}
}

func editor(t *testing.T, path string, now time.Time) *Editor {
	t.Helper()
	e, err := OpenEditor(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	e.store.Now = func() time.Time { return now }
	return e
}

func TestADecisionHoldsWhateverTheLogSays(t *testing.T) {
	s, path := under(t, policy, day)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("dead", 1, bounce.Bounced, true), failed("slow", 1, bounce.Deferred, false)), Successes: []bounce.Success{succeeded("fine", 1)}})
	e := editor(t, path, day)
	states := func() string {
		rows := dump(t, s.db, "SELECT recipient, state, decided_by FROM recipients ORDER BY recipient")
		return strings.ReplaceAll(strings.Join(rows, ", "), "@example.com", "")
	}
	seq := func() string { return dump(t, s.db, "SELECT value FROM meta WHERE name = 'seq'")[0] }
	check := func(what, want string) {
		t.Helper()
		if got := states(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		before := seq()
		if n, err := s.Rebuild(t.Context()); err != nil || n != 0 || seq() != before {
			t.Errorf("%s: Rebuild changes %d rows, %v", what, n, err)
		}
	}
	decide := func(decision string, locals ...string) recipient.Changes {
		t.Helper()
		var on []bounce.Address
		for _, local := range locals {
			on = append(on, to(local))
		}
		changes, err := e.Decide(t.Context(), decision, on, "a note", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	if got := decide(recipient.Allow, "dead"); got != (recipient.Changes{Rows: 1, Good: 1}) {
		t.Errorf("Decide: %+v", got)
	}
	if got := decide(recipient.Block, "slow", "fine", "fine"); got != (recipient.Changes{Rows: 2, Bad: 2}) {
		t.Errorf("Decide: %+v", got)
	}
	check("decided", "dead ok manual, fine bad manual, slow bad manual")
	save(t, s, &bounce.Batch{
		Records:   bounce.NewRecords(failed("dead", 5, bounce.Bounced, true), full("dead", 6)),
		Successes: []bounce.Success{succeeded("slow", 7), succeeded("fine", 8)},
	})
	check("the log went on", "dead ok manual, fine bad manual, slow bad manual")
	if got := dump(t, s.db, "SELECT last_delivery_at FROM recipients WHERE recipient = 'fine@example.com'"); !slices.Equal(got, []string{bounce.Stamp(day.Add(8 * time.Minute))}) {
		t.Errorf("last delivery of an address that never failed: %q", got)
	}
	// The other way round, which ends the first decision.
	decide(recipient.Block, "dead")
	check("decided otherwise", "dead bad manual, fine bad manual, slow bad manual")
	if _, err := e.Withdraw(t.Context(), []bounce.Address{to("dead"), to("other")}); err == nil || !strings.Contains(err.Error(), "no decision on other@example.com") {
		t.Errorf("Withdraw of one that is none: %v", err)
	}
	check("nothing is taken back by half", "dead bad manual, fine bad manual, slow bad manual")
	if _, err := e.Withdraw(t.Context(), []bounce.Address{to("dead"), to("slow"), to("fine")}); err != nil {
		t.Fatal(err)
	}
	check("taken back", "dead bad failure, slow ok delivery")
	if got := len(dump(t, s.db, "SELECT 1 FROM decisions WHERE ended_at IS NOT NULL")); got != 4 {
		t.Errorf("%d decisions remembered, want 4", got)
	}
	for name, want := range map[string]bool{"dead": true, "nobody": false} {
		if known, err := e.Knows(t.Context(), to(name)); known != want || err != nil {
			t.Errorf("Knows(%s) = %t, %v", name, known, err)
		}
	}
}

func TestReleasedFailuresDoNotCount(t *testing.T) {
	s, path := under(t, policy, day.AddDate(0, 0, 1))
	save(t, s, &bounce.Batch{
		Records: bounce.NewRecords(
			failed("dead", 10, bounce.Bounced, true), failed("slow", 12, bounce.Deferred, false),
			failed("before", 1, bounce.Bounced, true), failed("before", 11, bounce.Bounced, true),
		),
		Successes: []bounce.Success{succeeded("dead", 5)},
	})
	e := editor(t, path, day.AddDate(0, 0, 1))
	outage := recipient.Release{Since: bounce.Stamp(day.Add(10 * time.Minute)), Until: bounce.Stamp(day.Add(20 * time.Minute)), Category: "invalid-address", Note: "their directory was down"}
	const query = "SELECT recipient, state, decided_by, coalesce(bad_since, '-') FROM recipients ORDER BY recipient"
	before := dump(t, s.db, query+", seq")
	got, err := e.Release(t.Context(), outage, true)
	if want := (Released{Failures: 2, Recipients: 2, Changes: recipient.Changes{Rows: 2, Good: 1}}); err != nil || got != want {
		t.Errorf("Release, dry: %+v, %v; want %+v", got, err, want)
	}
	if after := dump(t, s.db, query+", seq"); !slices.Equal(before, after) {
		t.Errorf("a dry release changed the database: %q", after)
	}
	if got, err := e.Release(t.Context(), outage, false); err != nil || got.ID == 0 || got.Good != 1 {
		t.Errorf("Release: %+v, %v", got, err)
	}
	// One that is read later is released too, and one from after the outage is not.
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("late", 15, bounce.Bounced, true), failed("new", 25, bounce.Bounced, true))})
	want := []string{
		"before@example.com bad failure " + bounce.Stamp(day.Add(time.Minute)), "dead@example.com ok release -", "late@example.com ok release -",
		"new@example.com bad failure " + bounce.Stamp(day.Add(25*time.Minute)), "slow@example.com failing failure -",
	}
	if got := dump(t, s.db, query); !slices.Equal(got, want) {
		t.Errorf("recipients\n got %q\nwant %q", got, want)
	}
	if n, err := s.Rebuild(t.Context()); err != nil || n != 0 {
		t.Errorf("Rebuild: %d rows changed, %v; want none", n, err)
	}
	if got, err := e.WithdrawRelease(t.Context(), 1); err != nil || got.Bad != 2 || got.Failures != 3 {
		t.Errorf("WithdrawRelease: %+v, %v; want two bad again for three failures", got, err)
	}
	if _, err := e.WithdrawRelease(t.Context(), 1); err == nil {
		t.Error("WithdrawRelease again: no error")
	}
	if _, err := e.Release(t.Context(), recipient.Release{Since: bounce.Stamp(day.AddDate(-1, 0, 0)), Until: bounce.Stamp(day)}, false); err == nil {
		t.Error("Release of nothing: no error")
	}
}

func TestAnotherPolicyIsAppliedToHistory(t *testing.T) {
	s, path := openNew(t)
	s.Now = func() time.Time { return day }
	save(t, s, &bounce.Batch{
		Records:   bounce.NewRecords(full("a", 0), full("a", aDay), full("a", 2*aDay), full("b", 0), full("b", aDay), full("b", 2*aDay), failed("c", 0, bounce.Bounced, true)),
		Successes: []bounce.Success{succeeded("b", 3*aDay)},
	})
	other, changes, err := s.UsePolicy(t.Context(), &policy)
	if err != nil || !other || changes != (recipient.Changes{Rows: 1, Bad: 1}) {
		t.Errorf("UsePolicy: %v, %+v, %v; want one row, bad", other, changes, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	s.Now = func() time.Time { return day }
	if other, _, err := s.UsePolicy(t.Context(), &policy); err != nil || other {
		t.Errorf("UsePolicy of the one in force: %v, %v", other, err)
	}
	strict := bounce.Policy{General: policy.General}
	if other, changes, err := s.UsePolicy(t.Context(), &strict); err != nil || !other || changes != (recipient.Changes{Rows: 1, Good: 1}) {
		t.Errorf("UsePolicy: %v, %+v, %v; want one row, good", other, changes, err)
	}
}

// The daemon and commands write at the same time, each in transactions of its
// own: neither undoes what the other did.
func TestDecisionsBesideBatches(t *testing.T) {
	s, path := under(t, policy, day)
	e := editor(t, path, day)
	done := make(chan error, 1)
	go func() {
		for i := range 40 {
			on := []bounce.Address{to(fmt.Sprint("user", i%20))}
			if _, err := e.Decide(t.Context(), []string{recipient.Allow, recipient.Block}[i/20], on, "", time.Time{}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for minute := range 40 {
		b := &bounce.Batch{}
		for i := range 30 {
			b.Records.Add(new(failed(fmt.Sprint("user", i), minute, bounce.Bounced, i%2 == 0)))
		}
		save(t, s, b)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := []string{"bad failure 5", "bad manual 20", "failing failure 5"}
	if got := dump(t, s.db, "SELECT state, decided_by, count(*) FROM recipients GROUP BY 1, 2 ORDER BY 1, 2"); !slices.Equal(got, want) {
		t.Errorf("recipients: %q, want %q", got, want)
	}
	if n, err := s.Rebuild(t.Context()); err != nil || n != 0 {
		t.Errorf("Rebuild: %d rows changed, %v; want none", n, err)
	}
}

// statesAreCounted checks the numbers of recipients by state that meta holds.
func statesAreCounted(t *testing.T, db sqldb.Querier) {
	t.Helper()
	got := dump(t, db, "SELECT substr(name, 12), value FROM meta WHERE name LIKE 'recipients\\_%' ESCAPE '\\' AND value <> 0 ORDER BY 1")
	want := dump(t, db, "SELECT state, count(*) FROM recipients GROUP BY 1 ORDER BY 1")
	if !slices.Equal(got, want) {
		t.Errorf("meta counts %q recipients, there are %q", got, want)
	}
}
