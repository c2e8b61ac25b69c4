package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
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
