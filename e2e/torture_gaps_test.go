package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Lost content is reported once: the end of a log that was truncated without a
// copy, and a log that was replaced while the daemon was down.
func TestTortureGapsAreReported(t *testing.T) {
	if os.Getenv("BOUNCETAIL_TEST_ROUNDS") == "" {
		t.Skip("SKIPPED, it takes two minutes: make torture runs it, and the stories of package tailer test the same with a clock of their own")
	}
	t.Parallel()
	live, gone := newMailLog(t), newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	systemd := listen(t)
	args := []string{"--db", db, live.path, gone.path}
	live.messages(0, 5)
	gone.messages(10, 15)
	d := startWith(t, told, systemd.watch(2*time.Second), args...)
	eventually(t, db, countBounces, "10")
	d.kill()
	gone.messages(20, 25)
	gone.check(os.Remove(gone.path))
	gone.check(gone.f.Close())
	gone.create()
	gone.messages(30, 35)

	d = startWith(t, told, systemd.watch(2*time.Second), args...)
	eventually(t, db, countBounces, "15")
	half := strings.Repeat("z", 500)
	_, err := live.f.WriteString(half)
	live.check(err)
	time.Sleep(1500 * time.Millisecond) // until it has certainly scanned the file
	live.check(live.f.Truncate(0))
	live.messages(40, 45)
	eventually(t, db, countBounces, "20")
	want := []string{live.path + "|500", gone.path + "|-1"}
	slices.Sort(want)
	const reported = "SELECT source, bytes FROM gaps ORDER BY source || '|' || bytes"
	deadline := time.Now().Add(time.Minute + patience)
	for !slices.Equal(query(t, db, reported), want) && time.Now().Before(deadline) {
		time.Sleep(500 * time.Millisecond) // it waits copyGrace, a minute
	}
	if got := query(t, db, reported); !slices.Equal(got, want) {
		t.Errorf("gaps %q, want %q", got, want)
	}
	waitFor(t, "the status to count them", func() bool { return strings.HasSuffix(systemd.status(), "2 gaps") })
	d.kill()
	d = startWith(t, told, systemd.watch(2*time.Second), args...)
	time.Sleep(70 * time.Second) // longer than copyGrace
	if got := query(t, db, reported); !slices.Equal(got, want) {
		t.Errorf("gaps after a restart %q, want %q", got, want)
	}
	if n := strings.Count(words(told), "was destroyed before it could be read"); n != 2 {
		t.Errorf("gaps were logged %d times, want 2:\n%s", n, words(told))
	}
	d.stop()
}
