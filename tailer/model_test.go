package tailer

import (
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

// model is a log that is written and rotated, and a tailer that follows it and is
// killed and restarted. It has its own clock.
type model struct {
	t    testing.TB
	rand *rand.Rand
	dir  string
	now  time.Time

	file    *os.File // what the writer writes to
	half    string   // the rest of an incomplete line
	old     []*os.File
	written []string // all complete lines
	oldest  int      // the highest number of a rotated file
	alike   bool     // every file begins with the same bytes
	steps   []string

	tailer  *Tailer
	seen    map[string]int
	stored  map[int64]bounce.Position // the positions in the database
	calm    bool                      // no more kills
	maxHeld int                       // see Options
	often   bool                      // each read of an archive is interrupted for the live logs

	mayLose   bool            // whether content is destroyed in this story
	destroyed map[string]bool // lines destroyed before they were read
	mustGap   []int64         // sizes of the gaps that must be reported
	mayGap    int             // further gaps that may be reported
	gaps      []bounce.Gap
}

func newModel(t testing.TB, seed uint64) *model {
	m := &model{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(),
		now:  time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		seen: make(map[string]int), stored: make(map[int64]bounce.Position), destroyed: make(map[string]bool),
	}
	m.alike = m.rand.IntN(2) == 0
	m.often = seed%2 == 0
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

// put writes bytes and sets the time of the file to that of the model.
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

// write writes some lines, the last one sometimes in two parts.
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

// finish completes an incomplete line, because rotation never splits one.
func (m *model) finish() {
	if m.half != "" {
		m.put(m.half + "\n")
		m.half = ""
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
	if m.often {
		t.interval = 0
	}
	m.tailer = t
}

// kill drops the tailer with its memory.
func (m *model) kill() {
	for _, s := range m.tailer.streams {
		m.tailer.release(s)
	}
	m.tailer.closeKept()
	m.start()
	m.note("kill and start")
}

func (m *model) maybeScan() {
	if m.rand.IntN(2) == 0 {
		m.scan()
	}
}

// scan runs one scan. Chunks are saved one by one with their positions; a kill may
// follow each of them.
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

// pass advances the clock, sometimes by more than writerGrace.
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
	// Everything that was postponed is read in the end, and each gap is reported once,
	// also across a restart.
	for i := range 12 {
		m.now = m.now.Add(15 * time.Second)
		m.scan()
		if i%5 == 4 {
			m.kill()
		}
	}
}
