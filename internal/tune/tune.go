// Package tune limits the memory that the Go runtime and the C library use. Commands
// that run for long or read much data call it; importing the package has no effect.
// Each setting states what it was measured to change. The environment variables that
// the Go runtime documents take precedence.
package tune

import (
	"math"
	"os"
	"runtime/debug"
)

// Run prepares the process for following logs.
func Run() {
	limitMemory()
	configureMalloc()
}

// Import prepares the process for importing gigabytes of logs.
func Import() {
	limitMemory()
	configureMalloc()
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(importGarbage)
	}
	useHugePages()
}

// memoryLimit is the runtime's soft memory limit in bytes. A backlog reaches it; a
// quiet log needs a tenth. With SQLite's pages an import stays under 200 MB.
const memoryLimit = 148 << 20

func limitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT is not set
		debug.SetMemoryLimit(memoryLimit)
	}
}

// importGarbage is the GOGC percentage of an import. Measured with a log of 1 GB: 60
// takes 147 MB and 95 collections, 100 takes 168 MB and 55 collections, with 10 %
// less processor time.
const importGarbage = 80

// Memory returns memory to the system after a backlog. Without it the runtime keeps
// free memory for minutes.
type Memory struct {
	lines int64 // read at the last call of Release
	due   int   // pending releases
}

const (
	// backlogLines is the number of lines between two calls that counts as a backlog:
	// some tens of megabytes. A log that grows by 5,000 lines a second does not reach
	// it.
	backlogLines = 100_000
	// releases is the number of releases after a backlog. At the first, lines may still
	// be waiting to be saved. Each costs some 30 ms, because memory that is needed again
	// must be allocated again.
	releases = 2
)

// Release returns memory to the system once a backlog was read. The caller calls it
// every few seconds with the number of lines read so far.
func (m *Memory) Release(lines int64) {
	read := lines - m.lines
	m.lines = lines
	switch {
	case read >= backlogLines:
		m.due = releases
	case m.due > 0:
		m.due--
		debug.FreeOSMemory()
	}
}
