package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A disk fills while a backlog is saved in one transaction, and new settings come before
// there is room again. The daemon goes on with them, and says neither that it stops nor
// that it has crashed.
func TestSIGHUPWhileABacklogDoesNotFitOnTheDisk(t *testing.T) {
	t.Parallel()
	disk, said := mounted(t, "4m"), filepath.Join(t.TempDir(), "said")
	x, other := torture(t, 0), newMailLog(t)
	x.db = filepath.Join(disk, "b.db")
	x.bounces(8_000)
	other.accept("4FFFFFFF")
	other.bounce("4FFFFFFF")
	settings := filepath.Join(t.TempDir(), "config.yaml")
	follow := func(paths ...string) {
		text := fmt.Sprintf("database: %s\nsources:\n", x.db)
		for _, path := range paths {
			text += "  - path: " + path + "\n"
		}
		x.check(os.WriteFile(settings, []byte(text), 0o600))
	}
	follow(x.path)
	systemd := listen(t)
	d := startWith(t, said, systemd.watch(time.Minute), "--config", settings)
	waitFor(t, "the disk to be full", func() bool { return strings.Count(words(said), "msg=following") == 2 })
	follow(x.path, other.path)
	x.check(d.cmd.Process.Signal(syscall.SIGHUP))
	waitFor(t, "the daemon to follow the second log", func() bool { return strings.Contains(words(said), "log="+other.path) })
	waitFor(t, "the status to name the full disk", func() bool { return strings.Contains(systemd.status(), "cannot save: ") })
	if systemd.saidStopping() {
		t.Error("the daemon told systemd that it stops, but goes on")
	}
	for _, wrong := range []string{"msg=stopped", "not an orderly one", "not closed in order"} {
		if strings.Contains(words(said), wrong) {
			t.Errorf("the daemon logs %q, but goes on", wrong)
		}
	}
	remount(t, disk, "size=100m")
	eventually(t, x.db, countBounces, strconv.Itoa(x.next+1))
	d.stop()
	if !systemd.saidStopping() {
		t.Error("the daemon did not tell systemd that it stops")
	}
	if got := words(said); strings.Count(got, "will follow again from the stored positions") != 2 {
		t.Errorf("the daemon does not log once each that it reads again, for the transaction and for the settings:\n%s", got)
	}
}
