package cli

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// heapOfImport is what an import takes of the heap, in bytes.
const heapOfImport = 96 << 20

// largePages asks for large pages under the memory that an import is about to
// fill: of small ones, each costs a fault when it is first written to, which on
// a virtual machine may take microseconds. It is a wish; where it is not granted
// nothing is lost.
func largePages() {
	room := make([]byte, heapOfImport) // untouched, and the heap's again at the end
	page := os.Getpagesize()
	start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(room)))) & (page - 1)
	end := len(room) - (len(room)-start)%page
	_ = syscall.Madvise(room[start:end], syscall.MADV_HUGEPAGE)
	runtime.GC()
}
