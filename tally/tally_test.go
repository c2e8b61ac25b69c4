package tally

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func failure(at time.Time, change func(*bounce.Record)) *bounce.Record {
	r := &bounce.Record{
		Delivery: bounce.Delivery{At: at, Outcome: bounce.Bounced, First: true},
		Verdict:  bounce.Verdict{Category: bounce.RecipientError, Reason: bounce.SenderRejected, Scope: bounce.ScopeSender, Disposition: bounce.Permanent, Provider: "google"},
		To:       bounce.Address{Normal: "a@example.com", Domain: "example.com"},
	}
	change(r)
	return r
}

// Retries, repeated reports, greylisting and what is the recipient's or our own problem
// say nothing about a provider.
func TestOnlyFirstRefusalsCountAgainstAProvider(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*bounce.Record)
		refused int64
	}{
		"a first refusal":          {func(*bounce.Record) {}, 1},
		"an outage":                {func(r *bounce.Record) { r.Scope, r.Outcome = bounce.ScopeNetwork, bounce.Deferred }, 1},
		"a retry":                  {func(r *bounce.Record) { r.First = false }, 0},
		"a failure reported again": {func(r *bounce.Record) { r.Echo = true }, 0},
		"greylisting":              {func(r *bounce.Record) { r.Reason = bounce.Greylisted }, 0},
		"a dead address":           {func(r *bounce.Record) { r.Scope = bounce.ScopeRecipient }, 0},
		"our own server":           {func(r *bounce.Record) { r.Scope = bounce.ScopeLocal }, 0},
	} {
		tally := New(now.UnixMilli(), nil)
		tally.Failure(failure(now, c.change))
		w := tally.Windows[WindowKey{now.Unix(), "google"}]
		if w == nil || w.Refused != c.refused || w.Tried != c.refused || w.Bounced+w.Deferred != 1 {
			t.Errorf("%s: %+v, want %d refused", name, w, c.refused)
		}
	}
}

func TestWindowsBeginEveryFiveMinutes(t *testing.T) {
	tally := New(now.UnixMilli(), NamedDomains{bounce.EpochDay(now.UnixMilli()): {"large.example": "large.example"}})
	for at, want := range map[time.Time]WindowKey{
		now:                        {now.Unix(), bounce.OtherValue},
		now.Add(299 * time.Second): {now.Unix(), bounce.OtherValue},
		now.Add(300 * time.Second): {now.Unix() + 300, bounce.OtherValue},
		time.Unix(-1, 0):           {-300, bounce.OtherValue},
		time.Unix(0, 0):            {0, bounce.OtherValue},
	} {
		if _, start := tally.window(at.UnixMilli(), "", "small.example"); start != want.Start || tally.Windows[want] == nil {
			t.Errorf("the window of %s starts at %d, want %d", at, start, want.Start)
		}
	}
	tally.window(now.UnixMilli(), "", "large.example")
	if tally.Windows[WindowKey{now.Unix(), "large.example"}] == nil {
		t.Errorf("a large domain has no window of its own: %v", slices.Collect(maps.Keys(tally.Windows)))
	}
}

func TestAttemptsFarFromTheClockAreImported(t *testing.T) {
	tally := New(now.UnixMilli(), nil)
	tally.Failure(failure(now.Add(-time.Minute), func(*bounce.Record) {}))
	tally.Failure(failure(now.Add(-time.Hour), func(*bounce.Record) {}))
	tally.Failure(failure(now.Add(time.Hour), func(*bounce.Record) {}))
	last := make([]LastWindow, 2)
	b := &bounce.Batch{Domains: []string{"example.com"}}
	for _, at := range []time.Time{now, now.Add(-time.Hour)} {
		tally.Success(b, &bounce.Success{At: at.UnixMilli()}, last)
	}
	tally.Imported(map[bounce.Outcome]int64{bounce.Bounced: 3, bounce.Sent: 2})
	got := make(map[string]int64)
	for k, n := range tally.Finish() {
		got[k.Name+" "+k.values[0]] += n
	}
	for name, want := range map[string]int64{
		bounce.MetricAttempts + " bounced": 1, bounce.MetricAttempts + " sent": 1,
		bounce.MetricImportedAttempts + " bounced": 2, bounce.MetricImportedAttempts + " sent": 1,
		bounce.MetricImportedFailures + " recipient-error": 2,
	} {
		if got[name] != want {
			t.Errorf("%s is %d, want %d of %v", name, got[name], want, got)
		}
	}
}

// A stranger who sends from a million domains, with replies of his own, makes no series
// and one window.
func TestAMillionDomainsMakeFewSeries(t *testing.T) {
	tally := New(now.UnixMilli(), nil)
	for i := range 1_000_000 {
		tally.Failure(failure(now, func(r *bounce.Record) {
			domain := fmt.Sprintf("d%d.example", i)
			r.Provider, r.Blocklist, r.DSN, r.MTA = "", domain, "5.7."+domain, bounce.Postfix
			r.To, r.Host, r.Reply.RelayHost = bounce.Address{Normal: "a@" + domain, Domain: domain}, domain, "mx."+domain
		}))
	}
	if n := len(tally.Finish()); n > 20 || len(tally.Windows) != 1 || len(tally.Reasons) != 1 {
		t.Errorf("%d series, %d windows, %d reasons; want at most 20, 1 and 1", n, len(tally.Windows), len(tally.Reasons))
	}
}

func TestTheLargestDomainsAreNamed(t *testing.T) {
	attempts := map[string]int{"": 1000, "small.example": MinAttempts, "large.example": MinAttempts + 1}
	if got := Largest(attempts); !maps.Equal(got, map[string]string{"large.example": "large.example"}) {
		t.Errorf("named: %v, want the one with more than %d attempts", got, MinAttempts)
	}
	attempts = make(map[string]int)
	for i := range 2 * maxNamed {
		attempts[fmt.Sprintf("d%d.example", i)] = 1000 + i
	}
	got := Largest(attempts)
	if _, smallest := got["d0.example"]; len(got) != maxNamed || smallest {
		t.Errorf("%d domains are named, the smallest: %v; want the largest %d", len(got), smallest, maxNamed)
	}
}

func TestProblemsAreBoundedAndAdded(t *testing.T) {
	var p, all Problems
	for i := range maxProblems + 5 {
		p.Count(failure(now, func(r *bounce.Record) { r.Provider, r.To.Domain = "", fmt.Sprintf("d%d.example", i) }))
	}
	p.Count(failure(now, func(r *bounce.Record) { r.Reason = bounce.Greylisted }))
	p.Count(failure(now, func(r *bounce.Record) { r.Scope = bounce.ScopeRecipient }))
	all.Add(&p)
	all.Add(&p)
	list := all.List()
	if len(list) != maxProblems+1 || list[0] != (Problem{"recipient-error / sender-rejected", "others", 10}) {
		t.Errorf("%d problems, the first %+v; want %d and 10 of others", len(list), list[0], maxProblems+1)
	}
}
