package tune

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// useHugePages requests huge pages for the heap that an import is about to use. The
// first write to each small page causes a page fault, which may take microseconds on
// a virtual machine. Errors are ignored.
func useHugePages() {
	// In pieces, because the runtime writes zeros to all of a piece if any page of it was
	// used before.
	const piece = 4 << 20
	var heap [importHeap / piece][]byte // not written here, and freed at the end
	page := os.Getpagesize()
	for i := range heap {
		heap[i] = make([]byte, piece)
		start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(heap[i])))) & (page - 1)
		end := piece - (piece-start)%page
		_ = syscall.Madvise(heap[i][start:end], syscall.MADV_HUGEPAGE)
	}
	runtime.KeepAlive(&heap)
	runtime.GC()
}
