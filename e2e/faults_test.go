package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
		time.Sleep(20 * time.Millisecond) // another process acts; there is nothing to wait on
	}
}

// words returns what a daemon wrote to a file so far.
func words(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// startInto starts a daemon that logs into a file, which can be read meanwhile.
func startInto(t *testing.T, path string, args ...string) *daemon {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := &daemon{t: t, done: make(chan struct{})}
	d.cmd = exec.Command(program(t), append([]string{"run"}, args...)...)
	d.cmd.Stderr = f
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(d.kill)
	return d
}

func TestFullDiskIsWaitedOut(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED, a full disk is not tested: only root can mount a small file system")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, a full disk is not tested: mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", small).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	log := newMailLog(t)
	db, told := filepath.Join(small, "b.db"), filepath.Join(t.TempDir(), "said")
	d := startInto(t, told, "--db", db, log.path)
	log.messages(0, 5000)
	const full = "database or disk is full"
	waitFor(t, "the disk to be full", func() bool { return strings.Contains(words(told), full) })
	d.kill()
	d = startInto(t, told, "--db", db, log.path)
	waitFor(t, "the disk to be full again", func() bool { return strings.Count(words(told), full) > 1 })
	if out, err := exec.Command("mount", "-o", "remount,size=100m", small).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v: %s", err, out)
	}
	eventually(t, db, countBounces, "5000")
	waitFor(t, "it to say that it goes on", func() bool { return strings.Contains(words(told), "saving again") })
	if n := strings.Count(words(told), full); n != 2 {
		t.Errorf("it said %d times that the disk is full, want once for each daemon", n)
	}
	d.stop()
}

func TestRemovedDatabaseIsNoticed(t *testing.T) {
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	log.messages(0, 10)
	d := startInto(t, told, "--db", db, log.path)
	eventually(t, db, countBounces, "10")
	log.check(os.Remove(db))
	log.messages(10, 20)
	<-d.done
	if d.err == nil || !strings.Contains(words(told), "was removed or replaced while it was in use") {
		t.Errorf("it ended with %v and said %s", d.err, words(told))
	}
}

func TestDamagedDatabaseIsRefused(t *testing.T) {
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	log.messages(0, 200)
	d := startInto(t, told, "--db", db, log.path)
	eventually(t, db, countBounces, "200")
	d.kill() // so that the next start checks
	if out, err := exec.Command("sqlite3", db, "PRAGMA wal_checkpoint(TRUNCATE)").CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
	f, err := os.OpenFile(db, os.O_WRONLY, 0)
	log.check(err)
	_, err = f.WriteAt(slices.Repeat([]byte{0xff}, 3000), 5*4096+100)
	log.check(err)
	log.check(f.Close())
	d = startInto(t, told, "--db", db, log.path)
	<-d.done
	if d.err == nil || !strings.Contains(words(told), "is damaged") || !strings.Contains(words(told), ".recover") {
		t.Errorf("it ended with %v and said %s", d.err, words(told))
	}
}

// TestMemoryIsBounded follows and imports a line of 200 MB.
func TestMemoryIsBounded(t *testing.T) {
	log := newMailLog(t)
	log.messages(0, 10)
	piece := slices.Repeat([]byte{'z'}, 1<<20)
	for range 200 {
		_, err := log.f.Write(piece)
		log.check(err)
	}
	_, err := log.f.WriteString("\n")
	log.check(err)
	log.messages(10, 20)
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"run":    {"run", "--db", filepath.Join(dir, "run.db"), log.path},
		"import": {"import", "--db", filepath.Join(dir, "import.db"), log.path},
	} {
		cmd := exec.Command(program(t), args...)
		log.check(cmd.Start())
		eventually(t, filepath.Join(dir, name+".db"), countBounces, "20")
		if name == "run" {
			log.check(cmd.Process.Signal(os.Interrupt))
		}
		log.check(cmd.Wait())
		usage := cmd.ProcessState.SysUsage()
		if kb := maxRSS(usage); kb > 128<<10 {
			t.Errorf("%s took %s KB", name, strconv.FormatInt(kb, 10))
		} else {
			t.Logf("%s took %d KB", name, kb)
		}
	}
}

// maxRSS returns the most memory that a process had, in KB.
func maxRSS(usage any) int64 {
	if u, ok := usage.(*syscall.Rusage); ok {
		return u.Maxrss
	}
	return 0
}
