package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A glob can match more logs than the process may hold open.
func TestMoreLogsThanDescriptors(t *testing.T) {
	t.Parallel()
	const logs, limit = 500, "64"
	log := newMailLog(t)
	dir, db, told := t.TempDir(), filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	n := 0
	// write adds a message to a log.
	write := func(i int) {
		log.check(log.f.Close())
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("site%04d.log", i)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		log.check(err)
		log.f = f
		log.messages(n, n+1)
		n++
	}
	every := func(step int) {
		for i := 0; i < logs; i += step {
			write(i)
		}
	}
	every(1)
	begin := func() *daemon {
		return startWith(t, told, func(cmd *exec.Cmd) {
			cmd.Args = append([]string{"prlimit", "--nofile=" + limit + ":" + limit, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/usr/bin/prlimit"
		}, "--db", db, filepath.Join(dir, "*.log"))
	}
	if !exists("/usr/bin/prlimit") {
		t.Skip("SKIPPED, few descriptors are not tested: prlimit is missing (package util-linux)")
	}
	d := begin()
	eventually(t, db, countBounces, strconv.Itoa(n))
	every(1)
	every(7)
	eventually(t, db, countBounces, strconv.Itoa(n))
	// Some are rotated and written again.
	for i := 0; i < logs; i += 10 {
		path := filepath.Join(dir, fmt.Sprintf("site%04d.log", i))
		write(i)
		log.check(os.Rename(path, path+".1"))
		write(i)
	}
	eventually(t, db, countBounces, strconv.Itoa(n))
	d.kill()
	every(3)
	d = begin()
	eventually(t, db, countBounces, strconv.Itoa(n))
	if got := query(t, db, "SELECT * FROM gaps"); len(got) > 0 {
		t.Errorf("gaps where nothing was destroyed: %q", got)
	}
	d.stop()
	said := words(told)
	if n := strings.Count(said, "too many logs to hold all open"); n != 2 {
		t.Errorf("it was reported %d times, want once for each daemon", n)
	}
	for _, wrong := range []string{"too many open files", "inotify"} {
		if strings.Contains(said, wrong) {
			t.Errorf("it said %q:\n%.2000s", wrong, said)
		}
	}
}
