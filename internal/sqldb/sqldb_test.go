package sqldb

import (
	"os"
	"testing"
)

// SQLite keeps a database of that name in memory, and all of it would be lost.
func TestAFileCalledMemoryIsAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	db := Connect(":memory:", "rwc", "")
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (c)"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(":memory:"); err != nil || info.Size() == 0 {
		t.Errorf("the file :memory: %v (%v), want one with the table", info, err)
	}
}
