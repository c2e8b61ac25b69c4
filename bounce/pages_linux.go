package bounce

import (
	"os"
	"syscall"
	"unsafe"
)

// inLargePages asks for large pages under memory that is about to be filled from
// end to end: of small ones, each costs a fault when it is first written to. It
// is a wish; where it is not granted nothing is lost.
func inLargePages(b []byte) []byte {
	page := os.Getpagesize()
	all := b[:cap(b)]
	start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(all)))) & (page - 1)
	if end := len(all) - (len(all)-start)%page; start < end {
		_ = syscall.Madvise(all[start:end], syscall.MADV_HUGEPAGE)
	}
	return b
}
