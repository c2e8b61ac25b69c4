package cli

import (
	"math"
	"runtime/debug"
)

// memory gives back what a backlog needed. Without a word the runtime keeps
// for minutes what it may need again.
type memory struct {
	lines    int64 // at the last look
	released int64 // lines that were read when it was last given back
}

// muchRead is how many lines are worth a release: some tens of megabytes.
const muchRead = 100_000

// release gives memory back to the system once much was read since it last did,
// and little is read now.
func (m *memory) release(lines int64) {
	calm := lines-m.lines < muchRead
	m.lines = lines
	if calm && lines-m.released >= muchRead {
		m.released = lines
		debug.FreeOSMemory()
	}
}

// softLimit is how much memory the runtime may take before it collects more
// often: it bounds what a backlog takes, while a calm log needs a tenth of it.
const softLimit = 160 << 20

// limitMemory sets the limit, unless GOMEMLIMIT does.
func limitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(softLimit)
	}
}
