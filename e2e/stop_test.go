package e2e

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Initializing the rules and grammars takes milliseconds, in which a SIGTERM
// would kill the process.
func TestSignalsAreCaughtBeforeTheProgramInitializes(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	trace := string(out)
	first := strings.Index(trace, "init github.com/bouncetail/bouncetail/internal/earlystop ")
	for _, slow := range []string{"classify", "logparse"} {
		if at := strings.Index(trace, "init github.com/bouncetail/bouncetail/"+slow+" "); first < 0 || at < first {
			t.Errorf("%s is initialized before signals are caught:\n%s", slow, trace)
		}
	}
}

// The daemon exits with 0 at any time after package earlystop is initialized.
func TestSIGTERMDuringTheStart(t *testing.T) {
	log := newMailLog(t)
	log.messages(0, 1000)
	t.Setenv("GODEBUG", "inittrace=1")
	for pause := range 10 {
		told := filepath.Join(t.TempDir(), "told")
		d := startInto(t, told, "--db", filepath.Join(t.TempDir(), "b.db"), log.path)
		waitFor(t, "signals to be caught", func() bool { return strings.Contains(words(told), "/internal/earlystop ") })
		time.Sleep(time.Duration(pause) * 3 * time.Millisecond) // a different moment each time
		d.stop()
	}
}

// A journal that crashed, or the end of a pipeline, no longer reads the log of the daemon.
// A write to it raises SIGPIPE.
func TestADaemonGoesOnWhenNothingReadsItsLog(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	log.messages(0, 10)
	db := filepath.Join(t.TempDir(), "b.db")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, said: &output{}, done: make(chan struct{})}
	d.cmd = exec.Command(program(t), "run", "--db", db, log.path)
	d.cmd.Stderr = w
	d.run()
	eventually(t, db, "SELECT count(*) FROM bounces", "10")
	for _, f := range []*os.File{r, w} {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// A reload is logged.
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log.messages(10, 20)
	eventually(t, db, "SELECT count(*) FROM bounces", "20")
	d.stop()
}

// A terminal that is closed sends SIGHUP. It ends a command as Ctrl-C does: what was read
// is saved, and no unfinished file stays.
func TestSIGHUPEndsACommandInOrder(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	db := filepath.Join(t.TempDir(), "b.db")
	cmd := exec.Command(program(t), "import", "--db", db, "-")
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the import to open the database", func() bool { return exists(db) })
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("bouncetail import ended with %v, want exit code 130", err)
	}
	if exists(db) {
		t.Error("it left a database without a row")
	}
}

// A sender ends in order by each of the signals, and says so.
func TestASenderSaysThatItStops(t *testing.T) {
	t.Parallel()
	_, _, hosts := newFleet(t, "mx1")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		said := &output{}
		cmd := exec.Command(program(t), "fleet", "send", "--config", hosts[0].settings)
		cmd.Stderr = said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the sender", func() bool { return strings.Contains(said.String(), "sending to the fleet") })
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "msg=stopped") {
			t.Errorf("after %s: %v\n%s", signal, err, said)
		}
	}
}

// An import may hold the lock of the database for many seconds. A command that waits for
// it ends when it is told to.
func TestACommandThatWaitsForTheDatabaseEndsAtSIGTERM(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	log.messages(0, 10)
	path := filepath.Join(t.TempDir(), "b.db")
	run(t, "import", "--db", path, log.path)
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	for _, args := range []string{"recipients allow a@b.example", "export --cursor crm"} {
		cmd := exec.Command(program(t), append(strings.Fields(args), "--db", path)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, args+" to open the database", func() bool { return hasOpen(cmd.Process.Pid, path+"-wal") })
		time.Sleep(300 * time.Millisecond) // until it waits
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("bouncetail %s ended with %v, want exit code 130", args, err)
		}
	}
}
