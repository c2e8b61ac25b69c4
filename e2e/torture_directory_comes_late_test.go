package e2e

import (
	"os"
	"path/filepath"
	"time"
)

func tortureDirectoryComesLate(x *tortured) {
	dir := filepath.Join(x.t.TempDir(), "late")
	x.check(x.f.Close())
	x.path = filepath.Join(dir, "mail.log")
	x.args = []string{x.path}
	x.start()
	time.Sleep(100 * time.Millisecond) // it is not there
	x.check(os.Mkdir(dir, 0o755))
	x.create()
	x.bounces(20)
}
