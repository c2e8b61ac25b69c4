package e2e

import (
	"fmt"
	"os"
	"path/filepath"
)

func tortureSymlinkSwitched(x *tortured) {
	dir := x.t.TempDir()
	x.check(x.f.Close())
	x.check(os.Remove(x.path))
	link := func(i int) {
		target := filepath.Join(dir, fmt.Sprintf("log.%d", i))
		f, err := os.Create(target)
		x.check(err)
		x.f = f
		x.check(os.Symlink(target, x.path+".new"))
		x.check(os.Rename(x.path+".new", x.path))
	}
	link(0)
	x.start()
	for i := range 4 {
		x.bounces(40)
		x.seen()
		x.check(x.f.Close())
		link(i + 1)
	}
	x.bounces(1)
}
