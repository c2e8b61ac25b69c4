package tailer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestRotatedNames(t *testing.T) {
	const (
		live    = "live"
		rotated = "rotated"
		other   = "other"
	)
	for _, tt := range []struct{ base, name, want string }{
		{"mail.log", "mail.log", live},
		{"mail.log", "mail.log.1", rotated},
		{"mail.log", "mail.log.2.gz", rotated},
		{"mail.log", "mail.log-20261123", rotated},
		{"mail.log", "mail.log-20261123.zst", rotated},
		{"mail.log", "mail.log_20261123", rotated},
		{"mail.log", "mail.log~", rotated},
		{"mail.log", "mail.log.old", rotated},
		{"mail.log", "mail.1.log", rotated}, // logrotate: extension .log
		{"mail.log", "mail.12.log.gz", rotated},
		{"mail.log", "mail-20261123.log", rotated}, // with dateext
		{"mail.log", "mail_20261123.log.xz", rotated},
		{"mail.log", "mail.2026-11-23.log", rotated},
		{"mail.log", "mail-20261123-1795435646.log", rotated},
		{"mail.log", "mail-2026-11-23T12:57:36Z.log", rotated},
		{"mail-out.log", "mail-out-20261123.log", rotated},
		{"mail.2.log", "mail.2.1.log", rotated},

		{"mail.log", "mail.err.log", other},
		{"mail.log", "mail-out.log", other},
		{"mail.log", "mail-out-20261123.log", other},
		{"mail.log", "mail2.log", other},
		{"mail.log", "mail-.log", other},
		{"mail.log", "mail.err", other},
		{"mail.log", "amail.log", other},
		{"mail.log", "log", other},
		{"mail.log", ".log", other},
		{"mail.log", "mail.1.log.txt", other},
		{"maillog", "maillog-20261123", rotated},
		{"maillog", "maillog2", other},
		{"mainlog", "mainlog.1", rotated},

		{"*.log", "mail.1.log", live}, // the glob names it
		{"m?il.log", "mail-20261123.log", rotated},
		{`mail\[1\].log`, "mail[1].log", live},
		{`mail\[1\].log`, "mail[1].log.1", rotated},
		{`mail\[1\].log`, "mail[1]-20261123.log.gz", rotated},
		{`mail\[1\].log`, "mail1.log", other},
	} {
		got := other
		switch isBase, isRotated := matchName(tt.base, tt.name); {
		case isBase:
			got = live
		case isRotated:
			got = rotated
		}
		if got != tt.want {
			t.Errorf("matchName(%q, %q) is %s, want %s", tt.base, tt.name, got, tt.want)
		}
	}
}

func TestFilesAreSortedByTimeAndNumber(t *testing.T) {
	dir := t.TempDir()
	at := time.Now()
	for _, name := range []string{"mail.log", "mail.1.log", "mail.10.log.gz", "mail.9.log.gz", "mail.err.log"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	live, rotated := Files(filepath.Join(dir, "mail.log"))
	for i := range rotated {
		rotated[i] = filepath.Base(rotated[i])
	}
	if want := []string{filepath.Join(dir, "mail.log")}; !slices.Equal(live, want) {
		t.Errorf("live files %q, want %q", live, want)
	}
	if want := []string{"mail.10.log.gz", "mail.9.log.gz", "mail.1.log"}; !slices.Equal(rotated, want) {
		t.Errorf("rotated files %q, want %q", rotated, want)
	}
}

// A path that holds the characters of a glob names the file of that name.
func TestAPathOfAFileIsNotAGlob(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[1]")
	f := newFollowed(t, filepath.Join(dir, "mail[2].log"))
	f.write("mail[2].log", "mine\n")
	f.write("mail2.log", "not mine\n")
	f.write("mail[2].log.1", "rotated\n")
	f.chtimes("mail[2].log.1", -time.Hour)
	f.start()
	f.scan()
	f.want("rotated", "mine")

	// Also while rotation has renamed the file.
	f.rename("mail[2].log", "mail[2].log.2")
	f.scan()
	f.restart()
	f.scan()
	f.write("mail[2].log", "again\n")
	f.scan()
	f.want("rotated", "mine", "again")
	if live, rotated := Files(f.path); len(live) != 1 || len(rotated) != 2 {
		t.Errorf("Files(%q) = %q, %q", f.path, live, rotated)
	}
	if _, err := New(Options{Patterns: []string{filepath.Join(dir, "mail[3.log")}}); err == nil {
		t.Error("a malformed glob was accepted")
	}
	f.write("mail[3.log", "a line\n")
	if _, err := New(Options{Patterns: []string{filepath.Join(dir, "mail[3.log")}}); err != nil {
		t.Errorf("a file whose name is a malformed glob: %v", err)
	}
}

// A link, a hard link and a glob lead to the log that another source names.
func TestALogThatSeveralSourcesNameIsReadOnce(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
	f.write("mail.log", "first\n")
	f.check(os.Symlink("mail.log", filepath.Join(f.dir, "link")))
	f.check(os.Link(f.path, filepath.Join(f.dir, "hard.log")))
	f.options.Patterns = []string{filepath.Join(f.dir, "link"), filepath.Join(f.dir, "*.log"), filepath.Join(f.dir, "hard.log")}
	f.start()
	f.scan()
	f.write("mail.log", "second\n")
	f.scan()
	f.want("first", "second")
	f.rename("mail.log", "mail.log.1")
	f.write("mail.log.1", "third\n")
	f.write("mail.log", "in the next log\n")
	f.scan()
	f.want("first", "second", "third", "in the next log")
	f.restart()
	f.wantGaps()
	f.want("first", "second", "third", "in the next log")
}
