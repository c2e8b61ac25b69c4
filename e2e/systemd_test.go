package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

	stopping bool // whether STOPPING=1 came
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
				if line == "STOPPING=1" {
					s.stopping = true
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

func (s *systemd) saidStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
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

// The disk hangs: a write to the database does not return.
func TestWatchdogStopsWhileAStageHangs(t *testing.T) {
	t.Parallel()
	if !exists("/usr/bin/strace") {
		t.Skip("SKIPPED, the watchdog is not tested: strace is missing")
	}
	log := newMailLog(t)
	db := filepath.Join(t.TempDir(), "b.db")
	systemd := listen(t)
	d := startWith(t, filepath.Join(t.TempDir(), "said"), systemd.watch(time.Second), "--db", db, log.path)
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	idle := systemd.feedings()
	waitFor(t, "the watchdog to be fed while nothing comes", func() bool { return systemd.feedings() > idle+3 })

	hang := exec.Command("/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-p", strconv.Itoa(d.cmd.Process.Pid),
		"-e", "trace=pwrite64", "-e", "inject=pwrite64:delay_enter=600s")
	log.check(hang.Start())
	resume := sync.OnceFunc(func() {
		_ = hang.Process.Signal(syscall.SIGTERM) // it detaches, and the writes return
		_ = hang.Wait()                          // its status is the signal
	})
	t.Cleanup(resume)
	waitFor(t, "strace to attach", func() bool { return memoryOf(d, "TracerPid") != 0 })
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
	resume()
	eventually(t, db, countBounces, "10")
	waitFor(t, "the watchdog to be fed again", func() bool { return systemd.feedings() > before+2 })
	d.stop()
}
