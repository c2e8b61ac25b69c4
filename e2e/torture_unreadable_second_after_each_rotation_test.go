package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func tortureUnreadableSecondAfterEachRotation(x *tortured) {
	if os.Getuid() != 0 {
		x.t.Skip("SKIPPED, an unreadable log is not tested: only root can start the daemon as another user")
	}
	const nobody = 61235 // no user of this machine
	dir := shared(x.t.(*testing.T))
	x.check(os.Chown(dir, nobody, -1))
	x.as = &syscall.Credential{Uid: nobody, Gid: nobody}
	x.check(x.f.Close())
	x.path, x.db = filepath.Join(dir, "mail.log"), filepath.Join(dir, "b.db")
	x.args = []string{x.path}
	x.create()
	x.check(os.Chmod(x.path, 0o644))
	x.start()
	for range 3 {
		x.bounces(20)
		x.rotate() // mode 0640, owned by root
		x.bounces(20)
		time.Sleep(time.Second) // until the mode is corrected
		x.check(os.Chmod(x.path, 0o644))
	}
	x.bounces(5)
}
