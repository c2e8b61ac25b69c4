// Package tune limits the memory that the Go runtime and the C library use. Commands
// that run for long or read much data call it; importing the package has no effect.
// Each setting states what it was measured to change. The environment variables that
// the Go runtime documents take precedence.
package tune

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
		collectAt(importHeap)
	}
	useHugePages()
}

// Send prepares the process for sending what a database holds.
func Send() {
	limitMemory()
	configureMalloc()
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		// It waits for a server most of the time. What the runtime does meanwhile to find
		// work for several threads took a third of the processor time of four senders.
		runtime.GOMAXPROCS(1)
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		collectAt(sendHeap)
	}
}

// memoryLimit is the runtime's soft memory limit in bytes. A backlog reaches it; a
// quiet log needs a tenth. With SQLite's pages an import stays under 200 MB.
const memoryLimit = 134 << 20

func limitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT is not set
		debug.SetMemoryLimit(memoryLimit)
	}
}

// importHeap is the size of the heap at which an import collects garbage while less
// than half of it is in use. GOGC=80 would collect every few megabytes at first: an
// import of 1 GB took 63 collections instead of 26, and 10 % more processor time.
const importHeap = 96 << 20

// sendHeap is importHeap for sending to a fleet, where 4 MB are in use: GOGC=100 would
// collect with each batch, which took a third of the processor time.
const sendHeap = 32 << 20

// importGarbage is the least GOGC percentage of an import.
const importGarbage = 80

// collectAt sets the GOGC percentage so that the next collection starts at a size of
// the heap, and does so again after each collection.
func collectAt(heap uint64) {
	inUse := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(inUse)
	// The runtime applies the percentage to 4 MB if less is in use. Without this the
	// first collection of an import was at 132 MB.
	live := max(inUse[0].Value.Uint64(), 4<<20)
	percent := uint64(importGarbage)
	if live < heap {
		percent = max(percent, (heap-live)*100/live)
	}
	debug.SetGCPercent(int(percent))
	// Nothing refers to this object, so that the next collection finalizes it.
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) { collectAt(heap) })
}

// Memory returns memory to the system after a backlog. Without it the runtime keeps
// free memory for minutes.
type Memory struct {
	lines int64 // the argument of the previous Release
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
