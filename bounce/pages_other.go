//go:build !linux

package bounce

// inLargePages does nothing where memory comes in large pages without a word,
// or never.
func inLargePages(b []byte) []byte { return b }
