package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A restore that is killed leaves the old database or the backup, whole, whichever system
// call it has reached. The old one was in use when its daemon was killed, so a part of it is
// in the write-ahead log, which would destroy the backup if SQLite applied it to that.
func TestARestoreThatIsKilledLeavesADatabase(t *testing.T) {
	if !exists("/usr/bin/strace") {
		t.Skip("SKIPPED, killed restores are not tested: strace is missing")
	}
	const inBackup, inOld = 3, 400
	used := t.TempDir()
	x := newMailLog(t)
	path, backup := filepath.Join(used, "b.db"), filepath.Join(used, "backup.db")
	x.messages(0, inBackup)
	run(t, "import", "--db", path, x.path)
	run(t, "backup", "--db", path, backup)
	d := start(t, "--db", path, x.path)
	x.messages(inBackup, inOld)
	eventually(t, path, countBounces, strconv.Itoa(inOld))
	d.kill()
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() == 0 {
		t.Fatalf("the killed daemon has left no write-ahead log: %v", err)
	}
	os.Remove(path + ".sock") // which CopyFS does not copy
	for _, call := range []string{"openat", "ftruncate", "fsync", "/^unlink", "/^rename"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			var seen []string
			for n := 1; ; n++ {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(used)); err != nil {
					t.Fatal(err)
				}
				db := filepath.Join(dir, "b.db")
				killed := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call,
					"-P", db, "-P", db+"-wal", "-P", db+"-shm", "-P", db+".restoring", "-P", dir,
					"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n),
					program(t), "restore", "--db", db, filepath.Join(dir, "backup.db")).Run()
				got := strings.Join(query(t, db, countBounces), " ")
				if whole := query(t, db, "PRAGMA integrity_check"); !slices.Equal(whole, []string{"ok"}) || got != strconv.Itoa(inBackup) && got != strconv.Itoa(inOld) {
					t.Fatalf("killed at call %d of %s: %s failures, want %d or %d; integrity_check: %q", n, call, got, inBackup, inOld, whole)
				}
				seen = append(seen, got)
				if killed == nil {
					break // it has fewer calls
				}
			}
			t.Logf("failures after each: %q", seen)
			if seen[len(seen)-1] != strconv.Itoa(inBackup) {
				t.Errorf("restore, not killed, leaves %s failures, want %d", seen[len(seen)-1], inBackup)
			}
		})
	}
}
