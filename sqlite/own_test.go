package sqlite

import (
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestProblemsOutliveTheMemoryOfABatch(t *testing.T) {
	s, _ := openNew(t)
	var problems Problems
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
		problems.Count(tx)
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
	want := []Problem{{"recipient-error / ip-blocklisted", "google", 9}, {"recipient-error / local-trouble", "example.com", 3}}
	if got := problems.List(); !slices.Equal(got, want) {
		t.Errorf("Problems.List: %v, want %v", got, want)
	}
}
