package e2e

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An export that is killed after writing its file and before moving its cursor repeats
// its rows. A daemon is running at the same time.
func TestAKilledExportRepeatsItsRows(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	path := filepath.Join(t.TempDir(), "b.db")
	d := start(t, "--db", path, log.path)
	log.messages(0, 20)
	eventually(t, path, countBounces, "20")

	// A write transaction keeps the cursor from moving.
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "bad.txt")
	cmd := exec.Command(program(t), "export", "--db", path, "--format", "phplist", "--cursor", "crm", "-o", out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the file of the export", func() bool { _, err := os.Stat(out); return err == nil })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the export ended in order before it was killed")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(first), "\n"); n != 20 {
		t.Errorf("the killed export wrote %d addresses, want 20", n)
	}
	if again := run(t, "export", "--db", path, "--format", "phplist", "--cursor", "crm"); again != string(first) {
		t.Errorf("the next export wrote %q, want %q", again, first)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(out), ".*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	log.messages(20, 22)
	eventually(t, path, countBounces, "22")
	if later := run(t, "export", "--db", path, "--format", "phplist", "--cursor", "crm"); strings.Count(later, "\n") != 2 {
		t.Errorf("two later failures gave %q", later)
	}
	d.stop()
}
