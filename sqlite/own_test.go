package sqlite

import (
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/tally"
)

func TestProblemsOutliveTheMemoryOfABatch(t *testing.T) {
	s, _ := openNew(t)
	var problems tally.Problems
	problem := func(reason bounce.Reason, provider string, minute int) *bounce.Record {
		r := failed("user", minute, bounce.Deferred, false)
		r.Category, r.Reason, r.Provider = bounce.RecipientError, reason, provider
		return &r
	}
	for round := range 3 {
		var b bounce.Batch
		for i := range 3 {
			b.Records.Add(problem(bounce.IPBlocklisted, "google", 10*round+i))
		}
		b.Records.Add(problem(bounce.LocalTrouble, "", 10*round+9)) // told by its domain
		tx, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tx.CountProblems(&problems)
		if _, err := tx.Add(&b); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		b.Records.Reset()
		for range 4 {
			b.Records.Add(problem("xxxxxxxxxxxxxx", "xxxxxx", 1))
		}
	}
	want := []tally.Problem{{Name: "recipient-error / ip-blocklisted", Provider: "google", N: 9}, {Name: "recipient-error / local-trouble", Provider: "example.com", N: 3}}
	if got := problems.List(); !slices.Equal(got, want) {
		t.Errorf("Problems.List: %v, want %v", got, want)
	}
}
