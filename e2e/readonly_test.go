package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A user who may read the database but not write next to it can use the commands that
// read, also for a copy without SQLite's own files. Errors say what to do.
func TestReadingCommandsNeedNoWritePermission(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: root is needed to run a command as another user")
	}
	dir, err := os.MkdirTemp("", "bouncetail-readonly-") // accessible to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	shell(t, nil, dir, "cp", program(t), "bouncetail")
	run(t, "import", "--db", filepath.Join(dir, "b.db"), "../testdata/logs/postfix/soft/mail.log.gz")
	shell(t, nil, dir, "cp", "b.db", "copy.db")
	shell(t, nil, dir, "cp", "b.db", "private.db")
	shell(t, nil, dir, "touch", "empty.db")
	shell(t, nil, dir, "chmod", "a+r", "b.db", "b.db-shm", "b.db-wal", "b.db.lock", "copy.db", "empty.db")
	shell(t, nil, dir, "chmod", "0600", "private.db")
	shell(t, nil, dir, "chmod", "0555", ".")
	as := func(args ...string) (out, errs string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bouncetail"), args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var b, e strings.Builder
		cmd.Stdout, cmd.Stderr = &b, &e
		_ = cmd.Run() // the exit code says it
		return b.String(), e.String(), cmd.ProcessState.ExitCode()
	}
	for _, db := range []string{"b.db", "copy.db"} {
		for _, args := range [][]string{{"recipients"}, {"status"}, {"top", "domains", "--since", "2020-01-01"}, {"sql", "SELECT * FROM bounces"}, {"export", "--state", "all"}} {
			if out, errs, code := as(append(args, "--db", db)...); code > 1 || out == "" {
				t.Errorf("%s on %s: exit code %d, %s%s", args[0], db, code, out, errs)
			}
		}
	}
	for _, c := range []struct{ args, want string }{
		{"recipients --db empty.db", "database empty.db is empty, nothing was ever stored in it; bouncetail run or bouncetail import fills it"},
		{"recipients --db private.db", "database private.db cannot be read by this user: permission denied; use sudo bouncetail"},
		{"recipients --db .", "database . is a directory; name a file with --db"},
		{"recipients --db bouncetail", "bouncetail is not a database of bouncetail; name another file with --db"},
		{"recipients allow jane@example.com --db b.db", "use sudo bouncetail"},
		{"recipients allow jane@example.com --db copy.db", "use sudo bouncetail"}, // without files next to it
		{"export --cursor crm --db copy.db", "use sudo bouncetail"},
	} {
		if _, errs, code := as(strings.Fields(c.args)...); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("bouncetail %s: exit code %d, %swant %q", c.args, code, errs, c.want)
		}
	}
	// A database is only read without SQLite's locks if nothing writes to it and it has no
	// write-ahead log, which may hold changes.
	shell(t, nil, dir, "rm", "b.db-shm", "b.db-wal")
	if _, errs, code := as("recipients", "--db", "b.db"); code != 0 {
		t.Errorf("without a write-ahead log: exit code %d, %s", code, errs)
	}
	held, err := os.Open(filepath.Join(dir, "b.db.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := as("recipients", "--db", "b.db"); code != 1 {
		t.Errorf("while it is written to: exit code %d, %s", code, errs)
	}
}

// Commands that write say why they cannot, and where, on a full disk and on one that is
// read-only: SQLite itself says that there is no such file, or names none.
func TestCommandsSayWhyTheyCannotWrite(t *testing.T) {
	t.Parallel()
	dir := mounted(t, "2m")
	db := filepath.Join(dir, "b.db")
	run(t, "import", "--db", db, "../testdata/logs/postfix/soft/mail.log.gz")
	settings := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(settings, []byte("webhooks:\n  - {name: hook, url: http://127.0.0.1:1/}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(want string) {
		t.Helper()
		for _, command := range []string{
			"recipients allow jane@example.com", "incidents silence provider-refuses/google --for 8h",
			"webhooks drop hook root", "export --cursor crm -o " + filepath.Join(t.TempDir(), "bad.csv"),
		} {
			out, err := exec.CommandContext(t.Context(), program(t), append(strings.Fields(command), "--config", settings, "--db", db)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "database "+db+": ") || !strings.Contains(string(out), want) {
				t.Errorf("bouncetail %s: %v, %swant %q", command, err, out, want)
			}
		}
	}
	shell(t, nil, dir, "rm", "-f", "b.db-wal", "b.db-shm")
	fill := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+filepath.Join(dir, "fill"), "bs=4k")
	if err := fill.Run(); err == nil {
		t.Fatal("the disk is not full")
	}
	refused("no space left on device")
	shell(t, nil, dir, "rm", "-f", "fill", "b.db-wal", "b.db-shm")
	shell(t, nil, dir, "mount", "-o", "remount,ro", dir)
	refused("read-only file system")

	// A daemon was killed, and then the file system became read-only.
	shell(t, nil, dir, "mount", "-o", "remount,rw", dir)
	shell(t, nil, dir, "sqlite3", "b.db", "UPDATE meta SET value = 1 - value WHERE name = 'clean'", ".shell cp b.db-wal kept")
	shell(t, nil, dir, "mv", "kept", "b.db-wal")
	shell(t, nil, dir, "rm", "-f", "b.db-shm")
	shell(t, nil, dir, "mount", "-o", "remount,ro", dir)
	out, err := exec.CommandContext(t.Context(), program(t), "recipients", "--db", db).CombinedOutput()
	if want := "the last changes are in " + db + "-wal"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("bouncetail recipients: %v, %swant %q", err, out, want)
	}
}

// A file next to the database that another user has left, such as sqlite3 called by root.
func TestAnErrorNamesTheFileOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can make files of another user")
	}
	dir := shared(t)
	db := filepath.Join(dir, "b.db")
	run(t, "import", "--db", db, "../testdata/logs/postfix/soft/mail.log.gz")
	for _, path := range []string{dir, db, db + ".lock"} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range []string{db + "-wal", db + "-shm"} {
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program(t), "run", "--db", db, os.DevNull)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if want := "chown --reference=" + db + " " + left; err == nil || !strings.Contains(string(out), want) {
			t.Errorf("with %s: %v, %swant %q", left, err, out, want)
		}
		if err := os.Remove(left); err != nil {
			t.Fatal(err)
		}
	}
}
