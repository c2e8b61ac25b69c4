// Package e2e tests the built program: with files that rotate, processes that are killed,
// and real mail servers on 127.0.0.1.
package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/dbtest"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/internal/volume"
	_ "github.com/mattn/go-sqlite3"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bouncetail-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bouncetail")
	out, err := exec.Command("go", "build", raceDetector, "-o", path, "..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if os.Getenv(takeWatches) != "" {
		takeAllWatches()
		return
	}
	code := m.Run()
	pgtest.Stop()
	if path, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// program returns the built program.
func program(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs the program and returns its standard output.
func run(t testing.TB, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("bouncetail %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.String()
}

// output is what a program has written so far. It may be read while the program runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// daemon is a running bouncetail run.
type daemon struct {
	t    testing.TB
	cmd  *exec.Cmd
	said *output
	done chan struct{}
	err  error // valid after done is closed
}

func start(t testing.TB, args ...string) *daemon {
	t.Helper()
	return startAs(t, nil, args...)
}

// startAs is start as another user, or as our own if user is nil.
func startAs(t testing.TB, user *syscall.Credential, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, said: &output{}, done: make(chan struct{})}
	d.cmd = exec.Command(program(t), append([]string{"run"}, args...)...)
	d.cmd.Stderr = d.said
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	d.run()
	return d
}

// run starts the daemon, and kills it at the end of the test.
func (d *daemon) run() {
	t := d.t
	t.Helper()
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("bouncetail run said:\n%s", d.said)
		}
	})
}

// kill sends SIGKILL if the daemon still runs.
func (d *daemon) kill() {
	d.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-d.done
}

// stop sends SIGTERM and checks that the daemon exits with 0.
func (d *daemon) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	select {
	case <-d.done:
		if d.err != nil {
			d.t.Errorf("bouncetail run ended with %v", d.err)
		}
	case <-time.After(time.Minute): // milliseconds on an idle machine
		d.t.Error("bouncetail run still runs a minute after SIGTERM")
	}
}

// query returns the rows of a query, one string each, or nothing if the database does not
// exist yet.
func query(t testing.TB, path, query string) []string {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		return nil // the schema is being created
	}
	var all []string
	for _, row := range dbtest.All[string](t, rows) {
		all = append(all, strings.Join(row, "|"))
	}
	return all
}

// patience is how long tests wait for what other programs do. It takes less than a
// second on an idle machine, and a minute on one that is busy with other tests.
const patience = 3 * time.Minute

// onlyInTorture skips a test that takes long, and whose subject shorter tests cover in
// parts.
func onlyInTorture(t *testing.T) {
	t.Helper()
	if !volume.Of(false, true) {
		t.Skip("SKIPPED: make torture runs it; output/fleet and view/fleet test the same without the program")
	}
}

// poll asks other processes until they have done something, and reports whether they have
// within the patience. A question that starts a program takes a processor from them, so it
// waits twice as long as the question took.
func poll(done func() bool) bool {
	for deadline := time.Now().Add(patience); ; {
		begun := time.Now()
		if done() {
			return true
		}
		if begun.After(deadline) {
			return false
		}
		time.Sleep(max(20*time.Millisecond, 2*time.Since(begun)))
	}
}

// eventually waits until a query returns the wanted rows.
func eventually(t testing.TB, path, sql string, want ...string) {
	t.Helper()
	var got []string
	if !poll(func() bool {
		got = query(t, path, sql)
		return slices.Equal(got, want)
	}) {
		t.Fatalf("%s\ngot  %q\nwant %q", sql, got, want)
	}
}

// numberIn returns the number in an environment variable, or n if that is not set.
func numberIn(t *testing.T, variable string, n int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return n
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}
