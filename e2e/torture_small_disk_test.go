package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rowsPerMB is how many failures fill a megabyte of the database.
const rowsPerMB = 1000

// onDisk puts the database on a disk of a size. If old, the database has some failures
// before the scenario starts, as after a restart.
func (x *tortured) onDisk(megabytes int, old bool) (disk, said string) {
	t := x.t.(*testing.T)
	disk, said = mounted(t, fmt.Sprintf("%dm", megabytes)), filepath.Join(t.TempDir(), "said")
	x.db = filepath.Join(disk, "b.db")
	if old {
		x.bounces(x.scaled(megabytes) * rowsPerMB / 4)
		x.start()
		x.seen()
		x.d.stop()
	}
	return disk, said
}

// scaled returns a number of megabytes, at most 8 in the default tests.
func (x *tortured) scaled(megabytes int) int { return x.many(min(megabytes, 8), megabytes) }

// smallDisk returns a scenario with a disk that is large enough for all records: the
// daemon must not fill it, however much it writes between checkpoints.
func smallDisk(megabytes int, old bool) func(x *tortured) {
	return func(x *tortured) {
		_, said := x.onDisk(megabytes, old)
		begin := func() { x.d = startInto(x.t.(*testing.T), said, append([]string{"--db", x.db}, x.args...)...) }
		begin()
		const bursts = 40
		for i := range bursts {
			x.bounces(x.scaled(megabytes) * rowsPerMB / 4 / bursts)
			switch i {
			case 15:
				x.d.kill()
				x.rotate()
				begin()
			case 30:
				x.seen()
				x.d.kill()
				begin()
			}
			time.Sleep(time.Duration(x.rand.IntN(20)) * time.Millisecond) // for many commits
		}
		x.seen()
		if text := words(said); strings.Contains(text, "full") {
			x.t.Errorf("the daemon filled a disk of %d MB:\n%.1000s", megabytes, text)
		}
	}
}

// fullDisk returns a scenario in which other files fill the disk. The daemon is killed
// while it is full, and must continue as soon as there is space.
func fullDisk(megabytes int, old bool) func(x *tortured) {
	return func(x *tortured) {
		disk, said := x.onDisk(megabytes, old)
		t := x.t.(*testing.T)
		begin := func() { x.d = startInto(t, said, append([]string{"--db", x.db}, x.args...)...) }
		begin()
		x.bounces(100)
		x.seen()
		const full = "database or disk is full"
		for round := 1; round <= 2; round++ {
			ballast := filepath.Join(disk, "ballast")
			f, err := os.Create(ballast)
			x.check(err)
			for block := make([]byte, 64<<10); err == nil; {
				_, err = f.Write(block)
			}
			x.check(f.Close())
			x.bounces(x.scaled(megabytes) * rowsPerMB / 20)
			x.rotate()
			x.bounces(50)
			// The write-ahead log has reserved some space, more if it has grown before.
			waitFor(t, "the disk to be full", func() bool {
				if strings.Count(words(said), full) >= 2*round-1 {
					return true
				}
				x.bounces(20)
				return false
			})
			x.d.kill()
			begin()
			waitFor(t, "the disk to be full again", func() bool { return strings.Count(words(said), full) >= 2*round })
			x.check(os.Remove(ballast))
			x.seen()
		}
	}
}
