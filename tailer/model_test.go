package tailer

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// model is a log that a server writes and rotation moves about, with a tailer
// that follows it, is killed and started again. Time is the model's own.
type model struct {
	t    testing.TB
	rand *rand.Rand
	dir  string
	now  time.Time

	file    *os.File // what the writer writes to
	half    string   // the end of a line that it has begun
	old     []*os.File
	written []string // every whole line that counts
	oldest  int      // the highest number of a rotated file
	alike   bool     // every file begins with the same bytes
	steps   []string

	tailer  *Tailer
	seen    map[string]int
	stored  map[int64]bounce.Position // what the database would hold
	calm    bool                      // nobody kills it any more
	maxHeld int                       // see Options

	mayLose   bool            // whether content is destroyed in this story
	destroyed map[string]bool // lines that were, unread
	mustGap   []int64         // the bytes of gaps that have to be reported
	mayGap    int             // further gaps that may be, as nobody can know
	gaps      []bounce.Gap
}

func newModel(t testing.TB, seed uint64) *model {
	m := &model{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(),
		now:  time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		seen: make(map[string]int), stored: make(map[int64]bounce.Position), destroyed: make(map[string]bool),
	}
	m.alike = m.rand.IntN(2) == 0
	if m.rand.IntN(3) == 0 {
		m.maxHeld = -1 // as with more logs than descriptors
	}
	m.create()
	m.start()
	return m
}

func (m *model) path(suffix string) string { return filepath.Join(m.dir, "mail.log"+suffix) }

func (m *model) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%v\nafter %s", err, strings.Join(m.steps, ", "))
	}
}

func (m *model) note(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

func (m *model) create() {
	f, err := os.OpenFile(m.path(""), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	m.check(err)
	m.file = f
	if m.alike {
		m.put(strings.Repeat("this file begins as all do\n", 1+m.rand.IntN(60)))
	}
}

// put writes bytes, and sets the file's time to the model's.
func (m *model) put(text string) {
	_, err := m.file.WriteString(text)
	m.check(err)
	m.touch(m.file.Name())
	m.touchOpen(m.file)
}

func (m *model) touch(path string) {
	if _, err := os.Stat(path); err == nil {
		m.check(os.Chtimes(path, m.now, m.now))
	}
}

// touchOpen sets the time of a file that may have been renamed.
func (m *model) touchOpen(f *os.File) {
	m.check(os.Chtimes(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), m.now, m.now))
}

func (m *model) line() string {
	n := m.rand.IntN(120)
	if m.rand.IntN(40) == 0 {
		n = m.rand.IntN(5000)
	}
	text := fmt.Sprintf("%06d %s", len(m.written), strings.Repeat("x", n))
	m.written = append(m.written, text)
	return text
}

// write writes some lines, the last perhaps in two pieces.
func (m *model) write() {
	var text strings.Builder
	if m.half != "" {
		text.WriteString(m.half + "\n")
		m.half = ""
	}
	n := m.rand.IntN(12)
	if m.rand.IntN(25) == 0 {
		n = 2000 // more than is read at once
	}
	for range n {
		text.WriteString(m.line() + "\n")
	}
	if m.rand.IntN(4) == 0 {
		l := m.line()
		cut := m.rand.IntN(len(l))
		text.WriteString(l[:cut])
		m.half = l[cut:]
	}
	m.note("write %d", n)
	m.put(text.String())
}

// finish ends a line that was begun: rotation never tears one.
func (m *model) finish() {
	if m.half != "" {
		m.put(m.half + "\n")
		m.half = ""
	}
}

// rename moves the log and its predecessors up, and makes a new one. The
// writer may go on in the old file for a while, as rsyslog does until its HUP.
func (m *model) rename() {
	m.shift(".1")
	m.check(os.Rename(m.path(""), m.path(".1")))
	m.note("rename")
	if m.rand.IntN(2) == 0 {
		for range m.rand.IntN(3) {
			m.maybeScan()
			m.write()
		}
	}
	m.finish()
	if m.rand.IntN(4) == 0 { // the log does not exist for a while
		m.maybeScan()
	}
	old := m.file
	m.create()
	if m.rand.IntN(3) == 0 {
		m.old = append(m.old, old) // kept open, nothing comes any more
	} else {
		m.check(old.Close())
	}
}

// dated moves the log to a name with a date.
func (m *model) dated() {
	m.finish()
	name := m.path(fmt.Sprintf("-20261123-%010d", m.now.Unix()))
	for _, end := range []string{"", ".gz"} {
		if _, err := os.Stat(name + end); err == nil {
			return // twice in a second: logrotate does not overwrite either
		}
	}
	m.check(os.Rename(m.path(""), name))
	m.note("rename to a date")
	m.check(m.file.Close())
	m.create()
	if m.rand.IntN(2) == 0 {
		m.pack(name)
	}
}

// expire deletes the oldest rotated file after it was read to its end, as logrotate
// does. A file that is created next may get its inode.
func (m *model) expire() {
	m.finish()
	m.calm = true
	for range 3 {
		m.scan()
		m.now = m.now.Add(writerGrace + time.Second)
	}
	m.calm = false
	for i := m.oldest; i > 0; i-- {
		for _, end := range []string{".gz", ""} {
			path := m.path(fmt.Sprintf(".%d%s", i, end))
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			own, err := m.file.Stat()
			m.check(err)
			if !os.SameFile(info, own) {
				m.check(os.Remove(path))
				m.note("delete %s", filepath.Base(path))
			}
			return
		}
	}
}

// shift makes room for a rotated log.
func (m *model) shift(string) {
	m.oldest++
	for i := m.oldest; i > 0; i-- {
		for _, end := range []string{"", ".gz"} {
			from := m.path(fmt.Sprintf(".%d%s", i, end))
			if _, err := os.Stat(from); err == nil {
				m.check(os.Rename(from, m.path(fmt.Sprintf(".%d%s", i+1, end))))
			}
		}
	}
}

// copyTruncate copies the log, in two steps at times, and truncates it.
// Nothing is written in between: what copytruncate itself destroys is nobody's
// fault.
func (m *model) copyTruncate() {
	m.finish()
	m.shift(".1")
	text, err := os.ReadFile(m.path(""))
	m.check(err)
	half := 0
	if m.rand.IntN(2) == 0 {
		half = m.rand.IntN(len(text) + 1)
		m.check(os.WriteFile(m.path(".1"), text[:half], 0o600))
		m.touch(m.path(".1"))
		m.note("half a copy")
		m.maybeScan()
	}
	m.check(os.WriteFile(m.path(".1"), text, 0o600))
	m.touch(m.path(".1"))
	m.note("copy")
	m.maybeScan()
	m.check(m.file.Truncate(0))
	m.touchOpen(m.file)
	m.note("truncate")
	if m.alike {
		m.put("this file begins as all do\n")
	}
	switch m.rand.IntN(3) {
	case 0: // grown past its old size before anyone looks
		for range 20 {
			m.write()
		}
		m.finish()
	case 1:
		m.maybeScan()
	}
}

// destroy truncates the log or exchanges it for a new one, and keeps no copy.
// What the tailer had seen of it must be read or reported; what it had not
// seen, because it was not there or looked long ago, it may report.
func (m *model) destroy() {
	text, err := os.ReadFile(m.path(""))
	m.check(err)
	looked := m.rand.IntN(2) == 0 && !m.calm
	if looked { // so that it knows all that is there
		m.calm = true
		m.scan()
		m.now = m.now.Add(time.Second)
		m.scan()
		m.calm = false
	}
	unread := len(text) - (bytes.LastIndexByte(text, '\n') + 1)
	switch {
	case !looked || unread == len(text):
		m.mayGap++
	case unread > 0:
		m.mustGap = append(m.mustGap, int64(unread))
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); m.seen[line] == 0 {
			m.destroyed[line] = true
		}
	}
	if m.half != "" {
		m.destroyed[m.written[len(m.written)-1]] = true
		m.half = ""
	}
	m.check(m.file.Truncate(0))
	m.touchOpen(m.file)
	m.note("destroy %d bytes, %d of them no whole line, looked at %v", len(text), unread, looked)
	if m.rand.IntN(2) == 0 {
		m.write()
	}
	if looked {
		// It finds out before it is killed: then it still says so, but no more
		// how much it was.
		m.calm = true
		m.scan()
		for range 3 {
			m.now = m.now.Add(40 * time.Second)
			m.scan()
		}
		m.calm = false
	}
}

// pack compresses a rotated file, in two steps at times.
func (m *model) pack(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err = w.Write(text)
	m.check(err)
	m.check(w.Close())
	if m.rand.IntN(2) == 0 {
		m.check(os.WriteFile(path+".gz", z.Bytes()[:m.rand.IntN(z.Len())], 0o600))
		m.touch(path + ".gz")
		m.note("half an archive")
		m.maybeScan()
	}
	m.check(os.WriteFile(path+".gz", z.Bytes(), 0o600))
	m.touch(path + ".gz")
	if m.rand.IntN(2) == 0 {
		m.maybeScan()
	}
	m.check(os.Remove(path))
	m.note("pack %s", filepath.Base(path))
}

// packOne compresses a rotated file that nobody writes to any more.
func (m *model) packOne() {
	for _, n := range []string{".2", ".3"} {
		info, err := os.Stat(m.path(n))
		if err != nil {
			continue
		}
		own, err := m.file.Stat()
		m.check(err)
		if !os.SameFile(info, own) {
			m.pack(m.path(n))
			return
		}
	}
}

func (m *model) start() {
	var positions []bounce.Position
	for _, p := range m.stored {
		positions = append(positions, p)
	}
	slices.SortFunc(positions, func(a, b bounce.Position) int { return int(a.Stream - b.Stream) })
	t, err := New(Options{
		Patterns: []string{m.path("")}, Positions: positions, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return m.now }, MaxHeld: m.maxHeld,
	})
	m.check(err)
	m.tailer = t
}

// kill ends the tailer without a warning.
func (m *model) kill() {
	for _, s := range m.tailer.streams {
		m.tailer.release(s)
	}
	m.start()
	m.note("kill and start")
}

func (m *model) maybeScan() {
	if m.rand.IntN(2) == 0 {
		m.scan()
	}
}

// scan lets the tailer look once. What it sends is saved chunk by chunk, with
// the positions; a kill may come after any of them.
func (m *model) scan() {
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	chunks := make(chan bounce.Chunk)
	m.tailer.out = chunks
	done := make(chan error)
	go func() { done <- m.tailer.scan(ctx) }()
	killed := false
	left := -1
	if !m.calm && m.rand.IntN(6) == 0 {
		left = m.rand.IntN(3)
	}
	for {
		select {
		case c := <-chunks:
			if left == 0 {
				killed = true
				cancel()
				continue
			}
			left--
			m.save(&c)
		case err := <-done:
			if err != nil && !killed {
				m.check(err)
			}
			m.note("scan")
			if killed {
				m.kill()
			}
			return
		}
	}
}

func (m *model) save(c *bounce.Chunk) {
	for line := range strings.Lines(c.Data) {
		if line[len(line)-1] != '\n' {
			m.t.Fatalf("a line without its newline: %q", line)
		}
		m.seen[line[:len(line)-1]]++
	}
	m.gaps = append(m.gaps, c.Gaps...)
	m.stored[c.Position.Stream] = c.Position
}

// pass lets time go by, more than a writer needs to let go of a file at times.
func (m *model) pass() {
	m.now = m.now.Add([]time.Duration{10 * time.Millisecond, time.Second, 15 * time.Second}[m.rand.IntN(3)])
}

func (m *model) run(steps int) {
	for range steps {
		switch m.rand.IntN(17) {
		case 16:
			m.expire()
		case 15:
			if m.mayLose {
				m.destroy()
			} else {
				m.scan()
			}
		case 0:
			m.rename()
		case 1:
			m.copyTruncate()
		case 2:
			m.packOne()
		case 3:
			m.dated()
		case 4:
			m.kill()
		case 5, 6, 7, 8:
			m.write()
		case 9, 10:
			m.pass()
		default:
			m.scan()
		}
		m.pass()
	}
	m.finish()
	m.calm = true
	// Whatever was put off is read in the end, and gaps are told of once, over a
	// restart too.
	for i := range 12 {
		m.now = m.now.Add(15 * time.Second)
		m.scan()
		if i%5 == 4 {
			m.kill()
		}
	}
}

// verify compares what was seen with what was written.
func (m *model) verify() {
	m.t.Helper()
	var lost, doubled []string
	for _, line := range m.written {
		switch n := m.seen[line]; {
		case n == 0 && m.destroyed[line]:
			// Nobody can read it.
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

// TestEveryLineOnceWhateverHappensToTheFile runs random stories, each from a
// seed that the failure names. BOUNCETAIL_SEEDS asks for more of them.
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

// TestGapsAreReportedOnceAndOnlyWhereContentWasDestroyed runs such stories in
// which content is destroyed now and then.
func TestGapsAreReportedOnceAndOnlyWhereContentWasDestroyed(t *testing.T) {
	t.Parallel()
	for seed := range seeds(t) / 4 {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, seed+1_000_000)
			m.mayLose = true
			m.run(60)
			m.verify()
		})
	}
}

func seeds(t *testing.T) uint64 {
	n := uint64(200)
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
