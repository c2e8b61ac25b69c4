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
	heap := make([]byte, importHeap) // never written, and freed at the end
	page := os.Getpagesize()
	start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(heap)))) & (page - 1)
	end := len(heap) - (len(heap)-start)%page
	_ = syscall.Madvise(heap[start:end], syscall.MADV_HUGEPAGE)
	runtime.GC()
}
