package tune

import (
	"math"
	"runtime/debug"
	"testing"
)

// GOMEMLIMIT goes before the limit of ours.
func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for set, want := range map[int64]int64{math.MaxInt64: memoryLimit, 64 << 20: 64 << 20} {
		debug.SetMemoryLimit(set)
		limitMemory()
		if got := debug.SetMemoryLimit(-1); got != want {
			t.Errorf("with a limit of %d it is %d, want %d", set, got, want)
		}
	}
}

// GOGC goes before the percentage of ours.
func TestGarbage(t *testing.T) {
	before := debug.SetGCPercent(100)
	limit := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(before); debug.SetMemoryLimit(limit) })
	t.Setenv("GOGC", "100")
	if Import(); debug.SetGCPercent(100) != 100 {
		t.Error("GOGC was ignored")
	}
}
