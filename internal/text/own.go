package text

import (
	"strings"
	"unsafe"
)

// Buffer returns n bytes for Own. They are not zeroed.
func Buffer(n int) []byte {
	var b strings.Builder
	b.Grow(n + 1)
	b.WriteByte(0) // the memory of an empty string is unspecified
	return unsafe.Slice(unsafe.StringData(b.String()), n)
}

// Own returns bytes as a string without copying them. Nothing may change them
// while the string is in use.
func Own(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
