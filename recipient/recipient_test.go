package recipient

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// at returns the stamp of a number of hours after the start.
func at(hours int) string { return bounce.Stamp(start.Add(time.Duration(hours) * time.Hour)) }

const domain = "example.com"

var (
	invalid = Failure{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Disposition: bounce.Permanent, Suppress: true}
	full    = Failure{Category: bounce.MailboxFull, Reason: bounce.MailboxFullReason, Disposition: bounce.Retry, Counts: true}
	grey    = Failure{Category: bounce.RateLimit, Reason: bounce.Greylisted, Disposition: bounce.Retry}
	spam    = Failure{Category: bounce.SenderReputation, Reason: bounce.SpamContent, Disposition: bounce.Permanent}
	closed  = Failure{Category: bounce.Mailbox, Reason: bounce.AccountDisabled, Disposition: bounce.Permanent, Suppress: true}
	gaveUp  = Failure{Category: bounce.Unclassified, Reason: bounce.MessageExpired, Disposition: bounce.Permanent, Counts: true}
	kinds   = []Failure{invalid, full, grey, spam, closed, gaveUp}
)

// failure returns a failure of a kind, of the message with that number.
func failure(kind Failure, hours, number int) Failure {
	kind.At, kind.ID, kind.Place = at(hours), int64(number), PlaceOf(fmt.Sprintf("4F%06d", number))
	return kind
}

func inputs() *Inputs {
	return &Inputs{Policy: &bounce.Policy{
		General: bounce.Threshold{Failures: 3, Days: 1, Window: 4, BadDays: 2},
		Categories: map[bounce.Category]bounce.Threshold{
			bounce.Mailbox:     {SuppressDays: 2},
			bounce.MailboxFull: {Failures: 2, Days: 1, Window: 3},
		},
	}}
}

// story is random events of one address, so dense that many share an instant.
type story struct {
	failures   []Failure
	deliveries []string
	in         *Inputs
}

func newStory(r *rand.Rand) story {
	s := story{in: inputs()}
	for i := range r.IntN(12) {
		s.failures = append(s.failures, failure(kinds[r.IntN(len(kinds))], 8*r.IntN(20), i+1))
	}
	for range r.IntN(3) {
		s.deliveries = append(s.deliveries, at(8*r.IntN(20)))
	}
	if r.IntN(3) == 0 {
		first := 8 * r.IntN(20)
		s.in.Releases = []Release{{ID: 1, Since: at(first), Until: at(first + 8*r.IntN(10)), Category: string(kinds[r.IntN(len(kinds))].Category)}}
	}
	return s
}

func (s *story) replay() History {
	sorted := slices.Clone(s.failures)
	Sort(sorted)
	return s.in.Replay(domain, sorted, s.lastDelivery())
}

func (s *story) lastDelivery() string {
	if len(s.deliveries) == 0 {
		return ""
	}
	return slices.Max(s.deliveries)
}

// row shows a history without the numbers of the rows in bounces, but with the
// failures that they name.
func (s *story) row(h *History, now string, failures []Failure) string {
	r := h.Row(nil, now)
	names := make(map[int64]Place)
	for _, f := range failures {
		names[f.ID] = f.Place
	}
	last, deciding := names[r.LastID], names[r.DecidingID]
	r.LastID, r.DecidingID = 0, 0
	return fmt.Sprintf("%+v last %s deciding %s", r, last, deciding)
}

func repeat(t *testing.T, do func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	for seed := range uint64(3000) {
		do(t, rand.New(rand.NewPCG(seed, 17)))
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func TestAnyOrderOfTheSameEventsGivesTheSameRow(t *testing.T) {
	repeat(t, func(t *testing.T, r *rand.Rand) {
		s := newStory(r)
		h := s.replay()
		now := at(8 * r.IntN(40))
		want := s.row(&h, now, s.failures)

		// The events come in another order, a few at a time, and the rows in
		// bounces are numbered in that order.
		other := story{in: s.in}
		failures := slices.Clone(s.failures)
		r.Shuffle(len(failures), func(i, j int) { failures[i], failures[j] = failures[j], failures[i] })
		if r.IntN(2) == 0 {
			Sort(failures) // as one log has them: Extend accepts most
		}
		for i := range failures {
			failures[i].ID = int64(100 + i)
		}
		deliveries := slices.Clone(s.deliveries)
		var got History
		var row Row
		for len(failures)+len(deliveries) > 0 {
			n := min(len(failures), r.IntN(4))
			news := slices.Clone(failures[:n])
			failures = failures[n:]
			other.failures = append(other.failures, news...)
			if len(deliveries) > 0 && r.IntN(2) == 0 {
				other.deliveries, deliveries = append(other.deliveries, deliveries[0]), deliveries[1:]
			}
			Sort(news)
			if !s.in.Extend(&got, domain, news, other.lastDelivery()) {
				got = other.replay()
			}
			if got.LastAt == "" {
				continue // no row yet
			}
			// What is stored is enough to go on.
			row = got.Row(nil, at(8*r.IntN(40)))
			var err error
			if got, err = row.History(); err != nil {
				t.Fatal(err)
			}
		}
		if len(other.failures) == 0 {
			return // an address that never failed has no history
		}
		if row := s.row(&got, now, other.failures); row != want {
			t.Errorf("in another order:\n%s\nwant:\n%s", row, want)
		}
	})
}

func TestExtendEqualsReplayOrRefuses(t *testing.T) {
	accepted := 0
	repeat(t, func(t *testing.T, r *rand.Rand) {
		s := newStory(r)
		Sort(s.failures)
		cut := r.IntN(len(s.failures) + 1)
		before := ""
		if len(s.deliveries) > 1 {
			before = slices.Min(s.deliveries)
		}
		h := s.in.Replay(domain, s.failures[:cut], before)
		if !s.in.Extend(&h, domain, s.failures[cut:], s.lastDelivery()) {
			return
		}
		accepted++
		whole := s.replay()
		now := at(8 * r.IntN(40))
		if got, want := s.row(&h, now, s.failures), s.row(&whole, now, s.failures); got != want {
			t.Errorf("extended:\n%s\nreplayed:\n%s", got, want)
		}
	})
	if accepted < 1000 {
		t.Errorf("Extend accepted %d of 3000 stories, want at least 1000", accepted)
	}
}

func TestADeliveryAfterEverythingGivesOK(t *testing.T) {
	repeat(t, func(t *testing.T, r *rand.Rand) {
		s := newStory(r)
		s.failures = append(s.failures, failure(invalid, 8*r.IntN(20), 50))
		s.deliveries = append(s.deliveries, at(8*20))
		h := s.replay()
		row := h.Row(nil, at(8*r.IntN(40)))
		if row.State != bounce.StateOK || row.DecidedBy != bounce.ByDelivery || row.BadSince != "" || row.Memory != "" {
			t.Errorf("after a delivery: %+v", row)
		}
	})
}

// The stamps of logs are of seconds, so a failure and a delivery often share one.
func TestADeliveryWinsOverFailuresOfItsInstant(t *testing.T) {
	in := inputs()
	for _, kind := range kinds {
		f := failure(kind, 5, 1)
		replayed := in.Replay(domain, []Failure{f}, at(5))
		var failureFirst History
		if !in.Extend(&failureFirst, domain, []Failure{f}, "") || !in.Extend(&failureFirst, domain, nil, at(5)) {
			t.Fatalf("%s: a delivery of the instant of the last failure was refused", kind.Category)
		}
		for how, h := range map[string]History{"replayed": replayed, "failure first": failureFirst} {
			row := h.Row(nil, at(6))
			if row.State != bounce.StateOK || row.DecidedBy != bounce.ByDelivery || row.BadSince != "" || row.Memory != "" {
				t.Errorf("%s, %s: %+v, want ok by delivery", kind.Category, how, row)
			}
		}
	}
}

func TestAFailureOneMillisecondAfterTheDeliveryCounts(t *testing.T) {
	f := invalid
	f.ID, f.At = 1, bounce.Stamp(start.Add(time.Millisecond))
	h := inputs().Replay(domain, []Failure{f}, bounce.Stamp(start))
	if row := h.Row(nil, at(1)); row.State != bounce.StateBad {
		t.Errorf("got %+v, want bad", row)
	}
}

func TestAReleaseOfEverythingGivesOK(t *testing.T) {
	repeat(t, func(t *testing.T, r *rand.Rand) {
		s := newStory(r)
		s.failures = append(s.failures, failure(invalid, 8*20, 50)) // after every delivery
		s.in.Releases = []Release{{ID: 1, Since: at(0), Until: at(8*20 + 1)}}
		h := s.replay()
		if row := h.Row(nil, at(400)); row.State != bounce.StateOK || row.DecidedBy != bounce.ByRelease {
			t.Errorf("released: %+v", row)
		}
		s.in.Releases[0].Until = at(8 * 20) // not the last failure any more
		h = s.replay()
		if row := h.Row(nil, at(400)); row.State != bounce.StateBad || row.BadSince != at(8*20) {
			t.Errorf("released but for the last: %+v", row)
		}
	})
}

func TestReleaseCovers(t *testing.T) {
	r := Release{Since: at(2), Until: at(4), Domain: domain, Category: "mailbox", Reason: "account-disabled"}
	for _, c := range []struct {
		what, domain string
		f            Failure
		want         bool
	}{
		{"its first instant", domain, failure(closed, 2, 1), true},
		{"before it", domain, failure(closed, 1, 1), false},
		{"its end", domain, failure(closed, 4, 1), false},
		{"another domain", "example.org", failure(closed, 3, 1), false},
		{"another category", domain, failure(invalid, 3, 1), false},
	} {
		if got := r.Covers(c.domain, c.f.At, c.f.Category, c.f.Reason); got != c.want {
			t.Errorf("%s: Covers = %v, want %v", c.what, got, c.want)
		}
	}
}

func TestABadAddressIsFailingWhenItsTimeIsOver(t *testing.T) {
	h := inputs().Replay(domain, []Failure{failure(closed, 0, 1)}, "")
	end := at(48) // the policy keeps it bad for two days
	for _, c := range []struct {
		now   string
		state bounce.State
		by    bounce.Decider
	}{
		{at(1), bounce.StateBad, bounce.ByFailure},
		{bounce.Stamp(bounce.ParseStamp(end).Add(-time.Millisecond)), bounce.StateBad, bounce.ByFailure},
		{end, bounce.StateFailing, bounce.ByTime},
		{at(500), bounce.StateFailing, bounce.ByTime},
	} {
		row := h.Row(nil, c.now)
		if row.State != c.state || row.DecidedBy != c.by || (row.BadUntil == end) != (c.state == bounce.StateBad) {
			t.Errorf("at %s: %+v, want %s by %s", c.now, row, c.state, c.by)
		}
	}
}

// A failure of the very instant in which the time is over begins a new period.
func TestAFailureAfterTheTimeStartsAnew(t *testing.T) {
	for _, hours := range []int{48, 60} {
		h := inputs().Replay(domain, []Failure{failure(closed, 0, 1), failure(closed, hours, 2)}, "")
		if row := h.Row(nil, at(hours)); row.BadSince != at(hours) || row.BadUntil != at(hours+48) {
			t.Errorf("after %d hours: %+v, want bad since the second failure", hours, row)
		}
	}
	h := inputs().Replay(domain, []Failure{failure(closed, 0, 1), failure(closed, 47, 2)}, "")
	if row := h.Row(nil, at(47)); row.BadSince != at(0) || row.BadUntil != at(47+48) {
		t.Errorf("within its time: %+v, want bad since the first failure, and longer", row)
	}
}

func TestThePolicyCountsOverDays(t *testing.T) {
	in := inputs() // mailbox-full: two failures, a day apart, within three days
	for _, c := range []struct {
		hours []int
		bad   bool
	}{
		{[]int{0}, false},
		{[]int{0, 1}, false},  // of one day
		{[]int{0, 24}, true},  // a day apart
		{[]int{0, 72}, false}, // the first has left the window
		{[]int{0, 1, 24}, true},
	} {
		var failures []Failure
		for i, hours := range c.hours {
			failures = append(failures, failure(full, hours, i+1))
		}
		h := in.Replay(domain, failures, "")
		if row := h.Row(nil, at(100)); (row.State == bounce.StateBad) != c.bad || c.bad && row.DecidedBy != bounce.ByPolicy {
			t.Errorf("failures after %v hours: %+v, want bad %v", c.hours, row, c.bad)
		}
	}
}

// Some failures prove nothing about the address, such as greylisting, and the policy may
// leave a category out.
func TestFailuresThatThePolicyDoesNotCountMakeNothingBad(t *testing.T) {
	in := inputs()
	disabled := closed
	disabled.Suppress, disabled.Counts = false, true // the policy has no number for its category
	for _, kind := range []Failure{grey, spam, disabled} {
		var failures []Failure
		for i := range 10 {
			failures = append(failures, failure(kind, 24*i, i+1))
		}
		h := in.Replay(domain, failures, "")
		if row := h.Row(nil, at(24*9)); row.State != bounce.StateFailing || row.DecidedBy != bounce.ByFailure {
			t.Errorf("ten times %s: %+v, want failing", kind.Reason, row)
		}
	}
}

func TestTheStrongerReasonKeepsAnAddressBad(t *testing.T) {
	for _, c := range []struct {
		what     string
		failures []Failure
		reason   bounce.Reason
		until    string
	}{
		{"forever, then for two days", []Failure{failure(invalid, 0, 1), failure(closed, 1, 2)}, bounce.AccountDisabled, ""},
		{"for two days, then counted", []Failure{failure(closed, 0, 1), failure(full, 1, 2), failure(full, 25, 3)}, bounce.AccountDisabled, at(48)},
		{"counted, then for two days", []Failure{failure(gaveUp, 0, 1), failure(gaveUp, 1, 2), failure(gaveUp, 25, 3), failure(closed, 26, 4)}, bounce.AccountDisabled, at(26 + 48)},
	} {
		h := inputs().Replay(domain, c.failures, "")
		row := h.Row(nil, at(30))
		if row.DecidedBy != bounce.ByFailure || row.Reason != c.reason || row.BadUntil != c.until {
			t.Errorf("%s: %+v, want %s until %q", c.what, row, c.reason, c.until)
		}
	}
}

func TestManualDecisionsWinWhileInForce(t *testing.T) {
	until, ended := at(100), at(50)
	bad := inputs().Replay(domain, []Failure{failure(invalid, 0, 1)}, "")
	never := History{}
	for _, c := range []struct {
		what  string
		h     *History
		d     *Decision
		now   string
		state bounce.State
		by    bounce.Decider
		since string
	}{
		{"allow", &bad, &Decision{Decision: Allow, DecidedAt: at(10)}, at(20), bounce.StateOK, bounce.ByHand, ""},
		{"allow until", &bad, &Decision{Decision: Allow, DecidedAt: at(10), Until: &until}, at(99), bounce.StateOK, bounce.ByHand, ""},
		{"allow is over", &bad, &Decision{Decision: Allow, DecidedAt: at(10), Until: &until}, until, bounce.StateBad, bounce.ByFailure, at(0)},
		{"allow was withdrawn", &bad, &Decision{Decision: Allow, DecidedAt: at(10), EndedAt: &ended}, at(60), bounce.StateBad, bounce.ByFailure, at(0)},
		{"block", &never, &Decision{Decision: Block, DecidedAt: at(10)}, at(20), bounce.StateBad, bounce.ByHand, at(10)},
		{"block was withdrawn", &never, &Decision{Decision: Block, DecidedAt: at(10), EndedAt: &ended}, at(60), bounce.StateOK, bounce.ByHand, ""},
	} {
		row := c.h.Row(c.d, c.now)
		if row.State != c.state || row.DecidedBy != c.by || row.BadSince != c.since {
			t.Errorf("%s: %+v, want %s by %s since %q", c.what, row, c.state, c.by, c.since)
		}
		h, err := row.History()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := h.Row(nil, c.now), c.h.Row(nil, c.now); got != want {
			t.Errorf("%s: without the decision %+v, want %+v", c.what, got, want)
		}
	}
}

func TestFailuresOfOneInstantAreOrderedByMeaning(t *testing.T) {
	syntax, harmless, uncounted := invalid, closed, full
	syntax.Reason = bounce.BadSyntax
	harmless.Category, harmless.Suppress = bounce.Blocked, false
	uncounted.Counts = false
	ordered := []Failure{
		failure(syntax, 1, 9), failure(invalid, 1, 8), failure(closed, 1, 7), // permanent, suppressing
		failure(harmless, 1, 6), failure(spam, 1, 5), failure(gaveUp, 1, 4), // permanent
		failure(full, 1, 3), failure(uncounted, 1, 2), failure(grey, 1, 1),
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		got := slices.Clone(ordered)
		r.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		Sort(got)
		if !slices.Equal(got, ordered) {
			t.Fatalf("got %v", got)
		}
	}
}

func TestFailuresThatMeanTheSameAreOrderedByQueueID(t *testing.T) {
	a, b := failure(grey, 1, 1), failure(grey, 1, 2)
	a.ID, b.ID = 9, 4 // read in the other order
	got := []Failure{b, a}
	if Sort(got); got[0] != a {
		t.Errorf("got %v first, want the lower queue ID", got[0])
	}
}

func TestPrunedFailuresAreStillCounted(t *testing.T) {
	h := inputs().Replay(domain, []Failure{failure(invalid, 30, 1)}, at(40))
	h.AddPruned(2, 3, at(10))
	row := h.Row(nil, at(50))
	if row.PermanentCount != 3 || row.RetryCount != 3 || row.FirstAt != at(10) || row.State != bounce.StateOK {
		t.Errorf("got %+v", row)
	}
}

func TestABadMemoryNamesTheWayOut(t *testing.T) {
	row := Row{Memory: "{", State: bounce.StateBad}
	_, err := row.History()
	if want := `memory "{": unexpected end of JSON input; run: bouncetail recipients rebuild`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestChangesCountWhatBecameBadAndWhatIsNoLonger(t *testing.T) {
	bad, ok := Row{State: bounce.StateBad}, Row{State: bounce.StateOK}
	for _, c := range []struct {
		was, is Row
		want    Changes
	}{
		{ok, bad, Changes{1, 1, 0}},
		{Row{}, bad, Changes{1, 1, 0}},
		{bad, ok, Changes{1, 0, 1}},
		{bad, bad, Changes{1, 0, 0}},
		{ok, Row{State: bounce.StateFailing}, Changes{1, 0, 0}},
	} {
		var got Changes
		if got.Add(&c.was, &c.is); got != c.want {
			t.Errorf("from %q to %q: %+v, want %+v", c.was.State, c.is.State, got, c.want)
		}
	}
}

// Most rows need no memory, of which there may be millions.
func TestAnOrdinaryFailureNeedsNoMemory(t *testing.T) {
	in := inputs()
	for _, kind := range []Failure{grey, spam, invalid} {
		h := in.Replay(domain, []Failure{failure(kind, 0, 1)}, "")
		if row := h.Row(nil, at(1)); row.Memory != "" {
			t.Errorf("%s: the memory is %s, want none", kind.Reason, row.Memory)
		}
	}
}
