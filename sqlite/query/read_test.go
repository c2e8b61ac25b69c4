package query

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// The cost of an export by cursor follows what changed, so no table may be scanned
// and nothing sorted.
func TestChangesAreFoundByTheirIndex(t *testing.T) {
	f, err := dbfile.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), dbfile.CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	for _, filter := range []Filter{
		{Changes: true},
		{Changes: true, AfterSeq: 1},
		{Changes: true, AfterSeq: 1, BadOrLeft: true},
		{Changes: true, AfterSeq: 1, State: "bad", Domain: "example.com", Category: "mailbox", Since: bounce.Stamp(time.Now())},
	} {
		statement, args := filter.query()
		var plan []string
		err := sqldb.ScanAll(t.Context(), f.DB, "EXPLAIN QUERY PLAN "+statement, func(scan func(...any) error) error {
			var id, parent, unused int
			var step string
			err := scan(&id, &parent, &unused, &step)
			plan = append(plan, step)
			return err
		}, args...)
		if err != nil {
			t.Fatal(err)
		}
		if steps := strings.Join(plan, "; "); !strings.Contains(steps, "SEARCH r USING INDEX recipients_by_seq (seq>?)") || strings.Contains(steps, "SCAN") || strings.Contains(steps, "TEMP B-TREE") {
			t.Errorf("plan for %+v: %s", filter, steps)
		}
	}
}
