//go:build cgo

package tune

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// static void configure_malloc(void) {
// 	mallopt(M_ARENA_MAX, 1);
// 	mallopt(M_TOP_PAD, 1 << 20);
// 	mallopt(M_TRIM_THRESHOLD, 8 << 20);
// 	mallopt(M_MMAP_THRESHOLD, 256 << 10);
// }
// #else
// static void configure_malloc(void) {}
// #endif
import "C"

// configureMalloc makes the C library keep one heap for SQLite's pages. By default
// each thread has its arena, which grows by a system call for every few
// pages. One heap grows by megabytes, gives back what is freed at its end only if
// that is much, and returns large blobs to the system at once.
func configureMalloc() { C.configure_malloc() }
