package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A path that names no file with content is an error that says so. Opening a named pipe
// in the usual way would wait for ever, and a device may have no end.
func TestPathsThatAreNoFilesAreErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, db, rules := filepath.Join(dir, "pipe"), filepath.Join(dir, "b.db"), filepath.Join(dir, "rules.d")
	settings, noFolder, good := filepath.Join(dir, "settings.yaml"), filepath.Join(dir, "no-folder.yaml"), filepath.Join(dir, "good.yaml")
	log := newMailLog(t)
	log.messages(0, 10)
	run(t, "import", "--db", db, log.path)
	newer := filepath.Join(dir, "newer.db")
	shell(t, nil, dir, "sqlite3", newer, ".restore "+db, "PRAGMA user_version = 9999")
	for _, err := range []error{
		syscall.Mkfifo(pipe, 0o600), os.Mkdir(rules, 0o700), syscall.Mkfifo(filepath.Join(rules, "own.yaml"), 0o600),
		os.WriteFile(noFolder, []byte("rules: "+db+"\n"), 0o600), os.WriteFile(good, nil, 0o600),
		os.WriteFile(settings, []byte("rules: "+rules+"\nprivacy: {key_file: "+pipe+", hash_addresses: true}\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"status --config " + pipe, "is a named pipe"},
		{"doctor --config " + pipe, "is a named pipe"},
		{"check-config --config " + settings, "own.yaml is a named pipe"},
		{"check-config --config " + good + " --db " + dir, "database: " + dir + " is a directory"},
		{"check-config --config " + good + " --db " + pipe, "database: " + pipe + " is a named pipe"},
		{"check-config --config " + good + " --db " + log.path, log.path + " is not a database of bouncetail"},
		{"check-config --config " + good + " --db " + newer, "upgrade this one"},
		{"check-config --config " + noFolder, db + ": not a directory"},
		{"run --config " + noFolder + " --db " + filepath.Join(dir, "new.db") + " " + log.path, db + ": not a directory"},
		{"hash --config " + settings + " a@b.example", "privacy.key_file: " + pipe + " is a named pipe"},
		{"run --db " + pipe + " " + log.path, "is a named pipe"},
		{"import --db " + pipe + " " + log.path, "is a named pipe"},
		{"recipients --db " + pipe, "is a named pipe"},
		{"restore --db " + db + " " + pipe, "is a named pipe"},
		{"export --db " + db + " --addresses " + pipe, "is a named pipe"},
		{"export --db " + db + " -o " + pipe, "no program reads the named pipe"},
		{"import --db " + db + " /dev/zero", "/dev/zero is a device"},
		{"import --db " + db + " " + dir, "is a directory"},
		{"run --db /dev/full " + log.path, "/dev/full is a device"},
		{"recipients --db " + dir, "is a directory"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, program(t), strings.Fields(c.args)...)
		out, err := cmd.CombinedOutput()
		if err == nil || ctx.Err() != nil || !bytes.Contains(out, []byte(c.want)) {
			t.Errorf("bouncetail %s: %v, want an error with %q\n%s", c.args, err, c.want, out)
		}
		cancel()
	}
}
