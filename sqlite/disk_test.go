package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// mounted returns a file system in memory of some megabytes.
func mounted(t *testing.T, megabytes int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, a small disk is not tested: only root can mount one")
	}
	folder := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, a small disk is not tested: mount: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return folder
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func resize(t *testing.T, folder string, megabytes int) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", fmt.Sprintf("remount,size=%dm", megabytes), folder).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v %s", err, out)
	}
}

// batchOf returns a batch of failures that nobody else has.
func batchOf(n, records int) *bounce.Batch {
	b := &bounce.Batch{Domains: []string{"example.com"}, Positions: []bounce.StreamState{{Position: bounce.Position{Stream: 1, Offset: int64(n)}}}}
	for i := range records {
		r := failed(fmt.Sprintf("user%d.%d", n, i), n, bounce.Bounced, true)
		r.Reply.Text = strings.Repeat("550 5.1.1 user unknown ", 10)
		b.Records.Add(&r)
	}
	return b
}

// A closed database is read on a disk without room for the files next to it.
func TestAFullDiskIsRead(t *testing.T) {
	folder := mounted(t, 4)
	path := filepath.Join(folder, "b.db")
	s := open(t, path)
	save(t, s, batchOf(1, 10))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "other"), make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	db, _, err := dbfile.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := dump(t, db, "SELECT count(*) FROM bounces"); got[0] != "10" {
		t.Errorf("%q failures were read, want 10", got)
	}
}

// A database fills its disk, and not its log: what is committed is copied as long
// as there is room for it. Once there is room again it goes on by itself.
func TestASmallDisk(t *testing.T) {
	type disk struct{ megabytes, before int }
	for _, c := range volume.Of([]disk{{8, 0}, {12, 3}, {20, 8}}, []disk{{8, 0}, {12, 0}, {12, 3}, {20, 8}, {40, 0}, {60, 30}}) {
		t.Run(fmt.Sprintf("%d MB, %d MB in the database before", c.megabytes, c.before), func(t *testing.T) {
			folder := mounted(t, c.megabytes)
			path := filepath.Join(folder, "b.db")
			s := open(t, path)
			end, err := s.StartCheckpointer(t.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			const perBatch = 100
			n := 0
			for sizeOf(path) < int64(c.before)<<20 {
				save(t, s, batchOf(n, perBatch))
				n++
			}
			// The first failure leads to a checkpoint, which may make room.
			for failures := 0; failures < 3; {
				_, err = s.Save(t.Context(), batchOf(n, perBatch))
				switch {
				case err == nil:
					n, failures = n+1, 0
				case isTemporary(err):
					failures++
				default:
					t.Fatalf("on a full disk: %v", err)
				}
			}
			if share := float64(sizeOf(path)) / float64(int64(c.megabytes)<<20); share < 0.45 {
				t.Errorf("the database has %.0f %% of the disk when it is full, and its log %d KB", 100*share, sizeOf(path+"-wal")>>10)
			}
			resize(t, folder, c.megabytes*3/2+4)
			for range 5 {
				save(t, s, batchOf(n, perBatch))
				n++
			}
			end()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			defer s.Close()
			want := []string{fmt.Sprint(n * perBatch), fmt.Sprint(n * perBatch), fmt.Sprint(n - 1), "ok"}
			got := dump(t, s.db, "SELECT count(*) FROM bounces UNION ALL SELECT count(*) FROM recipients UNION ALL SELECT max(offset) FROM positions UNION ALL SELECT * FROM pragma_integrity_check")
			if !slices.Equal(got, want) {
				t.Errorf("failures, recipients, position, integrity: %q, want %q", got, want)
			}
		})
	}
}

func TestNoSecondWriterByAnotherName(t *testing.T) {
	s, path := openNew(t)
	save(t, s, batchOf(1, 1))
	link := filepath.Join(filepath.Dir(path), "link.db")
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), link, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "by another name (a hard link)") {
		t.Errorf("by a hard link: %v", err)
	}
	if _, err := OpenEditor(t.Context(), link); err == nil || !strings.Contains(err.Error(), "has another name (a hard link)") {
		t.Errorf("an editor by a hard link: %v", err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "is being written by another bouncetail") {
		t.Errorf("without the lock file: %v", err)
	}
}

// A reader that may not write, neither to the files nor to the folder, works while
// the store is open and after it was closed.
func TestAReaderWithoutWritePermission(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, a reader of another user is not tested: only root can become one")
	}
	sqlite3, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("SKIPPED, a reader of another user is not tested: there is no sqlite3 command")
	}
	folder, err := os.MkdirTemp("", "bouncetail")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "b.db")
	s := open(t, path)
	end, err := s.StartCheckpointer(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	read := func(when, want string) {
		t.Helper()
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			if err := os.Chmod(name, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sqlite3, "-readonly", path, "SELECT count(*) FROM bounces").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %q, %v, want %s", when, out, err, want)
		}
	}
	save(t, s, batchOf(1, 3))
	read("while it runs", "3")
	end()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	read("after it stopped", "3")
	e, err := OpenEditor(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Decide(t.Context(), "block", []bounce.Address{to("x")}, "", day); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	read("after a manual decision", "3")
}

// Closing any descriptor of a file drops all locks that the process has on it.
func TestForgettingOpensTheDatabaseNoSecondTime(t *testing.T) {
	s, path := openNew(t)
	save(t, s, batchOf(1, 3))
	descriptors := func() (n int) {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("SKIPPED, open files are not counted: %v", err)
		}
		for _, fd := range fds {
			if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); name == path {
				n++
			}
		}
		return n
	}
	before := descriptors()
	scrub := func(data []byte, _ func(string) (string, bool)) ([]byte, bool, error) { return data, false, nil }
	if _, err := s.Forget(t.Context(), &Forgetting{People: []bounce.Address{to("user1.0")}, Queue: scrub, Parser: scrub, Now: day}); err != nil {
		t.Fatal(err)
	}
	// Another process sees the lock of the open database.
	out, err := exec.Command("sh", "-c", "grep -c ':'$(stat -c %i '"+path+"')' ' /proc/locks").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) == "1" {
		t.Errorf("locks on the database after forgetting: %s (%v), want that of the store and those of SQLite", out, err)
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors of the database, %d before", after, before)
	}
}
