package sqlite

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// deliveriesOf returns what is stored of all addresses, from all levels.
func deliveriesOf(t *testing.T, s *Store) map[uint64]int64 {
	t.Helper()
	recent, err := query.RecentDeliveries(t.Context(), s.db, 0, ^uint64(0))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[uint64]int64)
	add := func(d packed.Delivery) (int64, bool) {
		all[d.Key] = packed.Newest(all[d.Key], d.Last)
		return d.Last, true
	}
	for _, entries := range deliveryBuckets(t, s) {
		packed.FilterDeliveries(entries, add)
	}
	for _, d := range recent {
		add(d)
	}
	return all
}

// model is what deliveries hold, as a map.
type model map[uint64]int64

func (m model) add(b *bounce.Batch) {
	for _, s := range b.Successes {
		d := packed.Reached(s.Key, s.At)
		m[d.Key] = packed.Newest(m[d.Key], d.Last)
	}
	var r bounce.Record
	for i := range b.Records.Len() {
		b.Records.Read(i, &r)
		d := packed.Failed(r.To.Key())
		m[d.Key] = packed.Newest(m[d.Key], d.Last)
	}
}

// randomBatch has deliveries to some of 400 addresses, and failures of others.
func randomBatch(r *rand.Rand, n int) *bounce.Batch {
	b := &bounce.Batch{Domains: []string{"example.com"}}
	for range n {
		minute := r.IntN(100_000)
		if local := fmt.Sprint("user", r.IntN(400)); r.IntN(8) == 0 {
			rec := failed(local, minute, bounce.Bounced, r.IntN(2) == 0)
			b.Records.Add(&rec)
		} else {
			b.Successes = append(b.Successes, succeeded(local, minute))
		}
	}
	return b
}

// prune deletes the deliveries before a time, but those of addresses that failed. It
// returns how many.
func (m model) prune(before time.Time) (deleted int) {
	maps.DeleteFunc(m, func(_ uint64, last int64) bool {
		is := last&packed.HasFailed == 0 && last>>1 < before.UnixMilli()
		if is {
			deleted++
		}
		return is
	})
	return deleted
}

func pruneDeliveries(t *testing.T, s *Store, before time.Time) (deleted int) {
	t.Helper()
	p := pruner{db: s.db, store: s, now: before, deleted: make(map[string]int)}
	if err := p.deliveries(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	return p.deleted[oldDeliveries]
}

// Small batches, large ones, lost ones, reopened databases, forgotten addresses and
// deleted ones: at each time the levels together hold what a map holds, and the rows
// of recipients follow from it.
func TestLevelsOfDeliveriesHoldWhatAMapHolds(t *testing.T) {
	for seed := range volume.Of[uint64](4, 12) {
		r := rand.New(rand.NewPCG(seed, 3))
		path := filepath.Join(t.TempDir(), "b.db")
		s, want := open(t, path), model{}
		levels := 0
		for step := range 60 {
			s.limits = packed.Limits{Small: 30, Lowest: 50, SmallRun: 60, Runs: 3}
			n := 1 + r.IntN(20)
			if r.IntN(4) == 0 {
				n = 40 + r.IntN(150)
			}
			b := randomBatch(r, n)
			switch r.IntN(12) {
			case 0: // the transaction is lost
				tx, err := s.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Add(b); err != nil {
					t.Fatal(err)
				}
				if err := tx.saveDeliveries(); err != nil {
					t.Fatal(err)
				}
				if err := tx.Rollback(); err != nil {
					t.Fatal(err)
				}
			case 1:
				s.Close()
				s = open(t, path)
			case 2:
				before := day.Add(time.Duration(r.IntN(30_000)) * time.Minute)
				if got, old := pruneDeliveries(t, s, before), want.prune(before); got != old {
					t.Fatalf("seed %d, step %d: %d addresses were deleted, want %d", seed, step, got, old)
				}
			case 3:
				key := to(fmt.Sprint("user", r.IntN(400))).Key()
				err := s.transaction(t.Context(), func(tx *Tx) error {
					_, err := tx.forgetDeliveries([]int64{key}, nil)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if want[uint64(key)]&packed.HasFailed == 0 { // else its row is left behind here
					delete(want, uint64(key))
				} else {
					err := s.transaction(t.Context(), func(tx *Tx) error {
						tx.runs = append(tx.runs, []packed.Delivery{{Key: uint64(key), Last: want[uint64(key)]}})
						return tx.saveDeliveries()
					})
					if err != nil {
						t.Fatal(err)
					}
				}
			default:
				want.add(b)
				if _, err := s.Save(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if got := deliveriesOf(t, s); !maps.Equal(got, want) {
				t.Fatalf("seed %d, step %d: %d addresses are stored, want %d", seed, step, len(got), len(want))
			}
			var runs int
			if err := s.db.QueryRowContext(t.Context(), "SELECT count(DISTINCT bucket >> 16) FROM recent_deliveries").Scan(&runs); err != nil {
				t.Fatal(err)
			}
			levels = max(levels, runs)
		}
		if levels < 3 {
			t.Errorf("seed %d: at most %d runs at a time, so that little was tested", seed, levels)
		}
		if n, err := s.Rebuild(t.Context()); n != 0 || err != nil {
			t.Errorf("seed %d: Rebuild: %d rows were wrong, %v", seed, n, err)
		}
		s.Close()
	}
}

// The sizes of levels are estimates: another program may have written to a table that
// was empty.
func TestAnEstimateOfNoDeliveriesLosesNone(t *testing.T) {
	s, want := open(t, filepath.Join(t.TempDir(), "b.db")), model{}
	defer s.Close()
	refused := failed("jane", 1, bounce.Bounced, true)
	for _, b := range []*bounce.Batch{
		{Records: bounce.NewRecords(refused)},
		{Domains: []string{"example.com"}, Successes: []bounce.Success{succeeded("jane", 2), succeeded("joe", 2)}},
	} {
		want.add(b)
		s.sizes = &packed.Sizes{Runs: make(map[int64]int)}
		if _, err := s.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if got := deliveriesOf(t, s); !maps.Equal(got, want) {
		t.Errorf("%v is stored, want %v", got, want)
	}
}

// A rebuild saves the deliveries of one transaction in parts, and may begin without any.
func TestEachPartOfATransactionKeepsTheDeliveriesBefore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "b.db"))
	defer s.Close()
	want := model{1: 2, 2: 4} // of one bucket
	err := s.transaction(t.Context(), func(tx *Tx) error {
		for _, key := range []uint64{1, 2} {
			tx.runs = append(tx.runs, []packed.Delivery{{Key: key, Last: want[key]}})
			if err := tx.saveDeliveries(); err != nil {
				return err
			}
		}
		return nil
	})
	if got := deliveriesOf(t, s); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v is stored (%v), want %v", got, err, want)
	}
}
