package cli

import (
	"math"
	"os"
	"runtime/debug"
)

// memory gives back what a backlog needed. Without a word the runtime keeps
// for minutes what it may need again.
type memory struct {
	lines int64 // at the last look
	due   int   // releases
}

const (
	// muchRead is how many lines between two looks are a backlog, worth a
	// release: some tens of megabytes. A log that grows by 5,000 lines a second
	// is none.
	muchRead = 100_000
	// releases is how often it is done then: at the first time what was read may
	// still be waiting to be saved. Each costs some 30 ms, because what is needed
	// again has to be asked for again.
	releases = 2
)

// release gives memory back to the system when much was read, and little is
// read now.
func (m *memory) release(lines int64) {
	read := lines - m.lines
	m.lines = lines
	switch {
	case read >= muchRead:
		m.due = releases
	case m.due > 0:
		m.due--
		debug.FreeOSMemory()
	}
}

// softLimit is how much memory the runtime may take before it collects more
// often: it bounds what a backlog takes, while a calm log needs a tenth of it.
// With SQLite's pages beside it an import stays under 200 MB.
const softLimit = 148 << 20

// limitMemory sets the limit, unless GOMEMLIMIT does.
func limitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(softLimit)
	}
}

// garbageOfImport is how much garbage an import lets come together, in percent
// of what it uses. Go's own 100 is no faster, and takes tens of megabytes.
const garbageOfImport = 60

// limitGarbage sets that, unless GOGC does.
func limitGarbage() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbageOfImport)
	}
}
