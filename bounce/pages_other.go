//go:build !linux

package bounce

// inLargePages does nothing where memory comes in large pages without a word,
// or never.
func inLargePages[T any](s []T) []T { return s }
