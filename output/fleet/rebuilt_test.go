package fleet

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// The database that a fleet is compared with finds its crowds batch by batch. They are
// those of a rebuild, which searches week by week. In story 277, a domain refuses mail for
// longer than a search looks back.
func TestCrowdsOfBatchesAreThoseOfARebuild(t *testing.T) {
	const crowds = `
		SELECT kind || '|' || unit || '|' || started_at || '|' || last_at || '|' || ended_at || '|' || addresses || '|' || refused || '|' || attempts
		FROM crowds ORDER BY 1`
	some := 0
	for _, seed := range []uint64{0, 1, 2, 3, 277} {
		t.Run(fmt.Sprint("story ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			events, _ := toldTo(r, seed)
			path := filepath.Join(t.TempDir(), "one.db")
			store := openStore(t, path)
			save(t, store, batches(r, slices.Concat(events...))...)
			found := dumpSQLite(t, path, crowds)
			if _, err := store.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			if again := dumpSQLite(t, path, crowds); !slices.Equal(found, again) {
				t.Errorf("crowds:\n  by batches: %q\n  rebuilt:    %q", found, again)
			}
			some += len(found)
		})
	}
	if some == 0 {
		t.Error("the stories have no crowd")
	}
}
