// Package tune sets up the process for what it is about to do: how much memory the
// Go runtime and the C library take. The commands that run for long or read much
// call it; nothing happens when the package is imported. Each setting names what it
// was measured to change, and gives way to the environment variable that the
// runtime documents.
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

// Import prepares the process for reading logs of gigabytes.
func Import() {
	limitMemory()
	configureMalloc()
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(importGarbage)
	}
	useHugePages()
}

// memoryLimit is how much memory the runtime may take before it collects garbage
// more often. It bounds what a backlog takes; a quiet log needs a tenth of it.
// Together with SQLite's pages an import stays under 200 MB.
const memoryLimit = 148 << 20

func limitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT is not set
		debug.SetMemoryLimit(memoryLimit)
	}
}

// importGarbage is how much garbage an import lets accumulate, in percent of what
// is in use. Of an import of 1 GB: 60 takes 147 MB and 95 collections, 100 takes
// 168 MB and 55, with a tenth less processor time.
const importGarbage = 80

// Memory gives memory back to the system after a backlog. By itself the runtime
// keeps for minutes what it may need again.
type Memory struct {
	lines int64 // at the last look
	due   int   // releases that are due
}

const (
	// backlogLines is how many lines between two looks are a backlog, worth a
	// release: some tens of megabytes. A log that grows by 5,000 lines a second is
	// none.
	backlogLines = 100_000
	// releases is how often memory is released then: at the first time what was read
	// may still be waiting to be saved. Each takes some 30 ms, because what is needed
	// again has to be asked for again.
	releases = 2
)

// Release gives memory back if much was read, and little is read now. It is called
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
