package tailer

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// verify compares the lines sent with the lines written.
func (m *model) verify() {
	m.t.Helper()
	var lost, doubled []string
	for _, line := range m.written {
		switch n := m.seen[line]; {
		case n == 0 && m.destroyed[line]:
			// It was destroyed.
		case n == 0:
			lost = append(lost, line[:6])
		case n > 1:
			doubled = append(doubled, fmt.Sprintf("%s×%d", line[:6], n))
		}
		delete(m.seen, line)
	}
	for line := range m.seen {
		if line != "this file begins as all do" {
			m.t.Errorf("invented: %.80q", line)
		}
	}
	if len(lost)+len(doubled) > 0 {
		m.t.Errorf("of %d lines lost %d %.200v, doubled %d %.200v\nafter %s", len(m.written), len(lost), lost, len(doubled), doubled, strings.Join(m.steps, ", "))
	}
	var known []int64
	unknown := 0
	for _, g := range m.gaps {
		if g.Bytes < 0 {
			unknown++
		} else {
			known = append(known, g.Bytes)
		}
	}
	for _, n := range m.mustGap {
		i := slices.Index(known, n)
		if i < 0 {
			m.t.Errorf("%d bytes were destroyed that had been seen, and no gap says so: %+v\nafter %s", n, m.gaps, strings.Join(m.steps, ", "))
			continue
		}
		known = slices.Delete(known, i, i+1)
	}
	if len(known)+unknown > m.mayGap {
		m.t.Errorf("more gaps than content was destroyed (%v expected, %d possible): %+v\nafter %s", m.mustGap, m.mayGap, m.gaps, strings.Join(m.steps, ", "))
	}
	for _, f := range m.old {
		f.Close()
	}
	m.file.Close()
}

// TestEveryLineOnceWhateverHappensToTheFile runs random stories. A failure names
// the seed. BOUNCETAIL_SEEDS sets how many.
func TestEveryLineOnceWhateverHappensToTheFile(t *testing.T) {
	t.Parallel()
	for seed := range seeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, seed)
			m.run(60)
			m.verify()
		})
	}
}

// TestGapsAreReportedOnceAndOnlyWhereContentWasDestroyed runs stories in which content
// is sometimes destroyed.
func TestGapsAreReportedOnceAndOnlyWhereContentWasDestroyed(t *testing.T) {
	t.Parallel()
	for seed := range seeds(t) / 3 {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, seed+1_000_000)
			m.mayLose = true
			m.run(60)
			m.verify()
		})
	}
}

func seeds(t *testing.T) uint64 {
	n := uint64(60)
	if more := os.Getenv("BOUNCETAIL_SEEDS"); more != "" {
		if _, err := fmt.Sscan(more, &n); err != nil {
			t.Fatalf("BOUNCETAIL_SEEDS: %v", err)
		}
	}
	return n
}

func FuzzRotation(f *testing.F) {
	f.Add(uint64(1), uint8(60))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		m := newModel(t, seed)
		m.run(int(steps))
		m.verify()
	})
}

// A log whose lines end with CR alone is one line without an end. That is said once, and
// what comes behind it is read once there is an end.
func TestALineWithoutAnEndIsReported(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
	var log bytes.Buffer
	f.options.Log, f.options.MaxLine = slog.New(slog.NewTextHandler(&log, nil)), 4096
	f.write("mail.log", "first\n")
	f.start()
	for range 5 {
		f.write("mail.log", strings.Repeat("a line\r", 400))
		f.scan()
	}
	if n := strings.Count(log.String(), "a line that has no end"); n != 1 {
		t.Errorf("it is said %d times, want once:\n%s", n, &log)
	}
	f.write("mail.log", "\nlast\n")
	f.scan()
	f.want("first", "last")
}
