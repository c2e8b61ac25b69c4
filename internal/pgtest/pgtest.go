// Package pgtest runs a PostgreSQL server for the tests of a package, in a temporary
// directory. It listens on a unix socket and on 127.0.0.1.
package pgtest

import (
	"bytes"
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

	"github.com/jackc/pgx/v5/pgconn"
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

	initialize = sync.OnceValue(func() (err error) {
		initialized, err = initdb()
		return err
	})
	initialized *Server // never runs; the others begin with a copy of its data
)

var errMissing = errors.New("no PostgreSQL 15 or later is installed here")

// Main runs the tests of a package, and stops the server if one of them started it.
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

// Stop stops the server of the package if a test started it, and removes the data that
// servers begin with.
func Stop() {
	if shared != nil {
		shared.remove()
	}
	if initialized != nil {
		_ = os.RemoveAll(initialized.Dir) // nothing depends on it
	}
}

// Get returns the server of the package, which the first call starts. Without
// PostgreSQL, it skips the test. TestMain must call Main or Stop.
func Get(t testing.TB) *Server {
	t.Helper()
	start.Do(func() { shared, startup = create() })
	check(t, startup)
	return shared
}

// New returns a server for one test, which may kill it and make roles while other tests
// use theirs. It ends with the test. TestMain must call Main or Stop.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := create()
	check(t, err)
	t.Cleanup(s.remove)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) {
		t.Skipf("SKIPPED: %v; scripts/test-setup installs it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Database creates an empty database and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.Copy(t, "template1")
}

// Copy creates a database that begins as another one, which no connection may use, and
// returns its name. PostgreSQL copies files in a third of the time that it takes for a copy
// by its log, which it does unless it is told otherwise.
func (s *Server) Copy(t testing.TB, of string) string {
	t.Helper()
	name := fmt.Sprintf("test%d", number.Add(1))
	s.SQL(t, "postgres", fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY FILE_COPY", name, of))
	return name
}

// DSN returns the address of a database for a user, by the socket.
func (s *Server) DSN(name, user string) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=%s", s.Dir, s.Port, name, user)
}

// SQL runs statements as the administrator. It returns a line for each row, with the values
// between vertical bars.
func (s *Server) SQL(t testing.TB, database, statements string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, s.DSN(database, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // all has been read
	results, err := conn.Exec(ctx, statements).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	var out strings.Builder
	for _, result := range results {
		for _, row := range result.Rows {
			out.Write(bytes.Join(row, []byte("|")))
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// Dump returns what pg_dump prints of a database.
func (s *Server) Dump(t testing.TB, database string) string {
	t.Helper()
	out, err := exec.CommandContext(context.Background(), s.program("pg_dump"), "-d", s.DSN(database, "postgres")).CombinedOutput()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	return string(out)
}

// Restore runs what Dump has returned in an empty database.
func (s *Server) Restore(t testing.TB, database, dump string) {
	t.Helper()
	c := exec.CommandContext(context.Background(), s.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(database, "postgres"))
	c.Stdin = strings.NewReader(dump)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
}

// create makes a server and starts it. Copying a directory takes a tenth of the time of
// initdb.
func create() (*Server, error) {
	if err := initialize(); err != nil {
		return nil, err
	}
	s := &Server{bin: initialized.bin, credential: initialized.credential}
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	if out, err := s.command("cp", "-a", initialized.data(), s.data()).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copying %s: %w\n%s", initialized.data(), err, out)
	}
	var err error
	if s.Port, err = FreePort(); err != nil {
		return nil, err
	}
	return s, s.Start()
}

// initdb makes the data of a server.
func initdb() (_ *Server, err error) {
	s := &Server{}
	if s.bin = programs(); s.bin == "" {
		return nil, errMissing
	}
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		if s.credential, err = nobody("postgres"); err != nil {
			return nil, errors.Join(errMissing, err)
		}
	}
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	c := s.command(s.program("initdb"), "--auth=trust", "--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D", s.data())
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return s, nil
}

// makeDir makes the directory of a server, which belongs to the user that it runs as.
func (s *Server) makeDir() (err error) {
	if s.Dir, err = os.MkdirTemp("", "bouncetail-pg-"); err != nil {
		return err
	}
	if s.credential != nil {
		if err := os.Chown(s.Dir, int(s.credential.Uid), int(s.credential.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(s.Dir, 0o755)
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func (s *Server) program(name string) string { return filepath.Join(s.bin, name) }

// command is a program that runs as the user of the server.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), program, args...)
	c.Dir = s.Dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	return c
}

// Start starts the server again. Nothing is synced to the disk: the tests kill
// processes, not the machine.
func (s *Server) Start() error {
	c := s.command(s.program("postgres"), "-D", s.data(), "-k", s.Dir, "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
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
		if s.command(s.program("pg_isready"), "-q", "-h", s.Dir, "-p", strconv.Itoa(s.Port)).Run() == nil {
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
