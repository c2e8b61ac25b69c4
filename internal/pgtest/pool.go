package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pool is a pgbouncer in transaction mode between clients and the server.
type Pool struct{ dir string }

// DSN returns the address of a database for a user, through the pool.
func (p *Pool) DSN(name, user string) string {
	return fmt.Sprintf("host=%s port=6432 dbname=%s user=%s", p.dir, name, user)
}

// Pool starts a pgbouncer for some users, until the end of the test. Without pgbouncer, it
// skips the test.
func (s *Server) Pool(t testing.TB, users ...string) *Pool {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("SKIPPED: no pgbouncer is installed here; scripts/test-setup installs it")
	}
	p := &Pool{dir: filepath.Join(s.Dir, "pool")}
	settings := fmt.Sprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = %s\nauth_type = trust\nauth_file = %s/users\n"+
		"pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n", s.Dir, s.Port, p.dir, p.dir)
	var list strings.Builder
	for _, user := range users {
		fmt.Fprintf(&list, "%q \"\"\n", user)
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"pgbouncer.ini": settings, "users": list.String()} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if s.credential != nil {
		if err := os.Chown(p.dir, int(s.credential.Uid), int(s.credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(context.Background(), program, "-q", filepath.Join(p.dir, "pgbouncer.ini"))
	c.Dir = p.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	var said strings.Builder
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()         // it was killed
	})
	for range 200 {
		if _, err := os.Stat(filepath.Join(p.dir, ".s.PGSQL.6432")); err == nil {
			return p
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("pgbouncer does not start within 4 s:\n%s", said.String())
	return nil
}
