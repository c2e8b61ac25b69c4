package e2e

import (
	"os"
	"path/filepath"
	"time"
)

func tortureDirectoryGoesComesBack(x *tortured) {
	dir := filepath.Join(x.t.TempDir(), "log")
	x.check(os.Mkdir(dir, 0o755))
	x.check(x.f.Close())
	x.path = filepath.Join(dir, "mail.log")
	x.args = []string{x.path}
	x.create()
	x.start()
	x.bounces(20)
	x.seen()
	x.check(x.f.Close())
	x.check(os.RemoveAll(dir))
	time.Sleep(100 * time.Millisecond) // it is gone
	x.check(os.Mkdir(dir, 0o755))
	x.create()
	x.bounces(20)
}
