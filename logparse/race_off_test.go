//go:build !race

package logparse_test

// raceFactor is how much slower code may be than without the race detector.
const raceFactor = 1
