package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// takeWatches in the environment makes this test binary use all inotify instances of its
// user until its standard input ends.
const takeWatches = "BOUNCETAIL_TEST_TAKE_WATCHES"

func takeAllWatches() {
	for {
		if _, err := unix.InotifyInit1(0); err != nil {
			break
		}
	}
	fmt.Print("x")
	os.Stdin.Read(make([]byte, 1)) //nolint:errcheck // waits for the end
}

// shared returns a directory that other users can access, as they can that of the built
// program.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bouncetail-shared-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, d := range []string{dir, filepath.Dir(program(t))} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// systemd is the notification socket of a daemon (sd_notify(3)).
type systemd struct {
	path string
	mu   sync.Mutex
	last string // STATUS
	fed  int    // number of WATCHDOG=1
}

func listen(t *testing.T) *systemd {
	t.Helper()
	s := &systemd{path: filepath.Join(shared(t), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.path, 0o666); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			for line := range strings.Lines(string(buf[:n])) {
				line = strings.TrimSuffix(line, "\n")
				if status, ok := strings.CutPrefix(line, "STATUS="); ok {
					s.last = status
				}
				if line == "WATCHDOG=1" {
					s.fed++
				}
			}
			s.mu.Unlock()
		}
	}()
	return s
}

func (s *systemd) status() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *systemd) feedings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fed
}

// watch makes a daemon use this socket, with a watchdog of that timeout.
func (s *systemd) watch(timeout time.Duration) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.path, fmt.Sprintf("WATCHDOG_USEC=%d", timeout.Microseconds()))
	}
}

// A stage hangs: nothing reads the daemon's standard error, so its writes block.
func TestWatchdogStopsWhileAStageHangs(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db := filepath.Join(t.TempDir(), "b.db")
	var ends [2]int
	log.check(syscall.Pipe2(ends[:], syscall.O_CLOEXEC))
	if _, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Skipf("SKIPPED, the watchdog is not tested: %v", err)
	}
	read, write := os.NewFile(uintptr(ends[0]), "read"), os.NewFile(uintptr(ends[1]), "write")
	defer read.Close()
	systemd := listen(t)
	d := startWith(t, filepath.Join(t.TempDir(), "unused"), func(cmd *exec.Cmd) {
		systemd.watch(time.Second)(cmd)
		cmd.Env = append(cmd.Env, "BOUNCETAIL_MAX_LINE=4096")
		cmd.Stderr = write
	}, "--db", db, log.path)
	write.Close()
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	idle := systemd.feedings()
	waitFor(t, "the watchdog to be fed while nothing comes", func() bool { return systemd.feedings() > idle+3 })

	// Each such line that arrives alone is logged.
	for range 60 {
		_, err := log.f.WriteString(strings.Repeat("y", 5000) + "\n")
		log.check(err)
		time.Sleep(60 * time.Millisecond) // so that they arrive alone
	}
	log.messages(5, 10)
	var before int
	waitFor(t, "the feeding to stop", func() bool {
		before = systemd.feedings()
		time.Sleep(1500 * time.Millisecond) // three watchdog intervals
		return systemd.feedings() == before
	})
	if got := query(t, db, countBounces); got[0] != "5" {
		t.Errorf("%s bounces: it does not hang", got)
	}
	go func() { // read again
		buf := make([]byte, 4096)
		for {
			if _, err := read.Read(buf); err != nil {
				return
			}
		}
	}()
	eventually(t, db, countBounces, "10")
	waitFor(t, "the watchdog to be fed again", func() bool { return systemd.feedings() > before+2 })
	d.stop()
}
