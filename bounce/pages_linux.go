package bounce

import (
	"os"
	"syscall"
	"unsafe"
)

// inLargePages asks for large pages under memory that is about to be filled from
// end to end: of small ones, each costs a fault when it is first written to. It
// is a wish; where it is not granted nothing is lost.
func inLargePages[T any](s []T) []T {
	page := os.Getpagesize()
	var one T
	all := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), cap(s)*int(unsafe.Sizeof(one)))
	start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(all)))) & (page - 1)
	if end := len(all) - (len(all)-start)%page; start < end {
		_ = syscall.Madvise(all[start:end], syscall.MADV_HUGEPAGE)
	}
	return s
}
