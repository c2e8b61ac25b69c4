package tailer

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// rename renames the log and its predecessors and creates a new log. The writer may
// keep writing to the old file for a while, as rsyslog does until SIGHUP.
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
		m.old = append(m.old, old) // kept open, and never written again
	} else {
		m.check(old.Close())
	}
}

// dated renames the log to a name with a date.
func (m *model) dated() {
	m.finish()
	name := m.path(fmt.Sprintf("-20261123-%010d", m.now.Unix()))
	for _, end := range []string{"", ".gz"} {
		if _, err := os.Stat(name + end); err == nil {
			return // twice in a second; logrotate does not overwrite a file either
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

// copyTruncate copies the log, sometimes in two steps, and truncates it. Nothing is
// written in between, because copytruncate itself would destroy that.
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
	case 0: // grown past its old size before the next scan
		for range 20 {
			m.write()
		}
		m.finish()
	case 1:
		m.maybeScan()
	}
}

// destroy truncates the log without a copy. Content that the tailer has seen must be
// read or reported. Other content may be reported.
func (m *model) destroy() {
	text, err := os.ReadFile(m.path(""))
	m.check(err)
	looked := m.rand.IntN(2) == 0 && !m.calm
	if looked { // it knows the size
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
		// It notices before it is killed. Then the gap is still reported, but without
		// its size.
		m.calm = true
		m.scan()
		for range 3 {
			m.now = m.now.Add(40 * time.Second)
			m.scan()
		}
		m.calm = false
	}
}

// pack compresses a rotated file, sometimes in two steps.
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

// packOne compresses a rotated file without a writer.
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
