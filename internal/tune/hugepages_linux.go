package tune

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// importHeap is what an import takes of the heap, in bytes.
const importHeap = 96 << 20

// useHugePages asks for huge pages under the memory that an import is about to
// fill. Each small page costs a fault when it is first written to, which may take
// microseconds on a virtual machine. Errors are ignored.
func useHugePages() {
	room := make([]byte, importHeap) // untouched, and the heap's again at the end
	page := os.Getpagesize()
	start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(room)))) & (page - 1)
	end := len(room) - (len(room)-start)%page
	_ = syscall.Madvise(room[start:end], syscall.MADV_HUGEPAGE)
	runtime.GC()
}
