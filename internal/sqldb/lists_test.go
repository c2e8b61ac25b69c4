package sqldb_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// json_each reads a list as it is given: an empty one has no rows.
func TestListsHaveARowForEachValue(t *testing.T) {
	db := sqldb.Connect(filepath.Join(t.TempDir(), "b.db"), "rwc", "")
	defer db.Close()
	for _, want := range [][]string{nil, {}, {""}, {"a.example", `"`, "ä,é", "null"}} {
		var got []string
		err := sqldb.ScanAll(t.Context(), db, "SELECT value FROM json_each(?)", func(scan func(...any) error) error {
			var s string
			err := scan(&s)
			got = append(got, s)
			return err
		}, sqldb.TextList(want))
		if err != nil || len(got) != len(want) || !slices.Equal(got, want) && len(want) > 0 {
			t.Errorf("%q: %q, %v", want, got, err)
		}
	}
	for _, want := range [][]int64{nil, {0}, {-1 << 63, 1<<63 - 1}} {
		got, err := sqldb.Numbers(t.Context(), db, "SELECT value FROM json_each(?)", sqldb.NumberList(want))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d: %d, %v", want, got, err)
		}
	}
}
