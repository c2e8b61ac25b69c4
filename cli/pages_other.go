//go:build !linux

package cli

// largePages does nothing where memory comes in large pages without a word, or
// never.
func largePages() {}
