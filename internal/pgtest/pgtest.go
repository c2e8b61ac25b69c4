// Package pgtest runs a PostgreSQL server for the tests of a package, in a temporary
// directory. It listens on a unix socket and on 127.0.0.1.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server.
type Server struct {
	Port int
	Dir  string // of its socket, and of its data

	bin        string
	credential *syscall.Credential
	ended      chan struct{} // closed when the process has ended
	pid        int
}

var (
	start   sync.Once
	shared  *Server
	startup error
	number  atomic.Int32
)

var errMissing = errors.New("no PostgreSQL 15 or later is installed here")

// Main runs the tests of a package, and stops the server if one of them started it.
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

// Stop stops the server if a test started it.
func Stop() {
	if shared != nil {
		shared.remove()
	}
}

// Get returns the server of the package, which the first call starts. Without
// PostgreSQL, it skips the test. TestMain must call Main or Stop.
func Get(t testing.TB) *Server {
	t.Helper()
	start.Do(func() { shared, startup = create() })
	if errors.Is(startup, errMissing) {
		t.Skipf("SKIPPED: %v; scripts/test-setup installs it", startup)
	}
	if startup != nil {
		t.Fatal(startup)
	}
	return shared
}

// Database creates an empty database and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", number.Add(1))
	s.SQL(t, "postgres", "CREATE DATABASE "+name)
	return name
}

// DSN returns the address of a database for a user, by the socket.
func (s *Server) DSN(name, user string) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=%s", s.Dir, s.Port, name, user)
}

// SQL runs statements as the administrator, and returns what psql prints.
func (s *Server) SQL(t testing.TB, database, statements string) string {
	t.Helper()
	c := exec.CommandContext(context.Background(), filepath.Join(s.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(database, "postgres"), "-c", statements)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("psql %s: %v\n%s", statements, err, out)
	}
	return string(out)
}

// Dump returns what pg_dump prints of a database.
func (s *Server) Dump(t testing.TB, database string) string {
	t.Helper()
	out, err := exec.CommandContext(context.Background(), filepath.Join(s.bin, "pg_dump"), "-d", s.DSN(database, "postgres")).CombinedOutput()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	return string(out)
}

// Restore runs what Dump has returned in an empty database.
func (s *Server) Restore(t testing.TB, database, dump string) {
	t.Helper()
	c := exec.CommandContext(context.Background(), filepath.Join(s.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(database, "postgres"))
	c.Stdin = strings.NewReader(dump)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
}

// create makes a server and starts it.
func create() (_ *Server, err error) {
	s := &Server{}
	if s.bin = programs(); s.bin == "" {
		return nil, errMissing
	}
	if s.Dir, err = os.MkdirTemp("", "bouncetail-pg-"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		if s.credential, err = nobody("postgres"); err != nil {
			return nil, errors.Join(errMissing, err)
		}
		if err := os.Chown(s.Dir, int(s.credential.Uid), int(s.credential.Gid)); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		return nil, err
	}
	initdb := s.command("initdb", "--auth=trust", "--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D", s.data())
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.Port, err = FreePort(); err != nil {
		return nil, err
	}
	return s, s.Start()
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), filepath.Join(s.bin, program), args...)
	c.Dir = s.Dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	return c
}

// Start starts the server again. Nothing is synced to the disk: the tests kill
// processes, not the machine.
func (s *Server) Start() error {
	c := s.command("postgres", "-D", s.data(), "-k", s.Dir, "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
		"-c", "shared_buffers=64MB", "-c", "max_connections=40", "-c", "log_min_messages=fatal")
	c.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		// The signal is sent when the thread ends that started the process.
		runtime.LockOSThread()
		defer close(s.ended)
		err := c.Start()
		if err == nil {
			s.pid = c.Process.Pid
		}
		if started <- err; err == nil {
			_ = c.Wait() // it is stopped by a signal
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	for range 2400 {
		if s.command("pg_isready", "-q", "-h", s.Dir, "-p", strconv.Itoa(s.Port)).Run() == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("PostgreSQL does not start within two minutes")
}

// CPU returns the processor time of the server's processes that have ended, such as those
// of closed connections.
func (s *Server) CPU(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the fields behind the name, from the third on
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[16-3])
	system, _ := strconv.Atoi(fields[17-3])
	return time.Duration(user+system) * (time.Second / 100)
}

// Kill stops the server as pg_ctl stop -m immediate does: at once and without a
// checkpoint, so that the next start recovers.
func (s *Server) Kill() {
	_ = syscall.Kill(s.pid, syscall.SIGQUIT) // it may have ended
	<-s.ended
}

// Hang stops all processes of the server, so that it answers nothing and closes no
// connection, until the returned function is called, or the test ends.
func (s *Server) Hang(t testing.TB) (resume func()) {
	s.signalAll(syscall.SIGSTOP)
	resume = func() { s.signalAll(syscall.SIGCONT) }
	t.Cleanup(resume)
	return resume
}

// signalAll sends a signal to the first process, and then to its children.
func (s *Server) signalAll(signal syscall.Signal) {
	_ = syscall.Kill(s.pid, signal) // it runs
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.pid, s.pid))
	for one := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(one); err == nil {
			_ = syscall.Kill(pid, signal) // it may have ended
		}
	}
}

func (s *Server) remove() {
	s.Kill()
	_ = os.RemoveAll(s.Dir) // nothing depends on it
}

// programs returns the directory of the newest PostgreSQL, and an empty text if there
// is none.
func programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian's
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 && version(found[0]) >= 15 {
		return found[0]
	}
	return ""
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // 0 if it is no number
	return n
}

func nobody(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
