package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Some writes or syncs of the database fail. The daemon may retry or exit. After a restart
// without errors nothing is lost or duplicated.
func TestWriteErrorsLoseNothing(t *testing.T) {
	if !exists("/usr/bin/strace") {
		t.Skip("SKIPPED, write errors are not tested: strace is missing")
	}
	for _, inject := range []string{
		"pwrite64:error=ENOSPC:when=60+7",
		"pwrite64:error=EIO:when=50+11",
		"pwrite64:error=EDQUOT:when=80+3",
		"fsync,fdatasync:error=EIO:when=4+2",
		"ftruncate:error=EIO:when=2+2",
	} {
		t.Run(inject, func(t *testing.T) {
			t.Parallel()
			x := torture(t, 1)
			x.d = startWith(t, filepath.Join(t.TempDir(), "said"), func(cmd *exec.Cmd) {
				cmd.Args = append([]string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fsync,fdatasync,ftruncate", "-e", "inject=" + inject, cmd.Path}, cmd.Args[1:]...)
				cmd.Path = "/usr/bin/strace"
			}, "--db", x.db, x.path)
			child := tracee(t, x.d)
			all := func() bool { return slices.Equal(query(t, x.db, countBounces), []string{strconv.Itoa(x.next)}) }
			for range 8 {
				x.bounces(25)
				for deadline := time.Now().Add(time.Second); !all() && time.Now().Before(deadline); {
					time.Sleep(20 * time.Millisecond) // polls another process
				}
			}
			x.rotate()
			x.bounces(5)
			child.Kill() //nolint:errcheck // it may have ended
			<-x.d.done
			x.start()
			x.verify()
		})
	}
}

// Writes end in the middle of a page, as on a disk that is full, at limits that are no
// multiple of a page. The daemon continues by itself once the limit is gone.
func TestShortWritesLoseNothing(t *testing.T) {
	for _, limit := range []uint64{333_333, 1_000_001, 2_345_678} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			x := torture(t, 1)
			x.start()
			x.bounces(25)
			x.seen()
			limitFiles := func(bytes uint64) {
				t.Helper()
				if err := unix.Prlimit(x.d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
					t.Fatal(err)
				}
			}
			limitFiles(limit)
			x.bounces(5000)
			stored := func() bool { return slices.Contains(query(t, x.db, countBounces), strconv.Itoa(x.next)) }
			for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
				if stored() {
					t.Fatalf("5,000 failures were stored in a file of %d bytes", limit)
				}
				time.Sleep(50 * time.Millisecond) // polls another process
			}
			x.rotate()
			x.bounces(5)
			limitFiles(unix.RLIM_INFINITY)
			x.seen()
			x.verify()
		})
	}
}

// A daemon says that the logs have been read once what it read is saved.
func TestTheSummaryWaitsUntilTheDiskHasRoom(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	log.messages(0, 3000)
	told := filepath.Join(t.TempDir(), "told")
	d := startWith(t, told, func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"prlimit", "--fsize=600000:unlimited", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/usr/bin/prlimit"
	}, "--db", filepath.Join(t.TempDir(), "b.db"), log.path)
	waitFor(t, "a batch that cannot be saved", func() bool { return strings.Contains(words(told), "batch not saved") })
	const summary = "the logs have been read"
	time.Sleep(3 * time.Second) // longer than a daemon waits for the last batch
	if said := words(told); strings.Contains(said, summary) {
		t.Errorf("nothing is saved, and the daemon says:\n%s", said)
	}
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the summary", func() bool {
		return strings.Contains(words(told), summary+"; see bouncetail recipients --state bad\" bad_addresses=3000 ")
	})
	d.stop()
}
