//go:build race

package logparse_test

// raceFactor is how much slower code may be than without the race detector
// (https://go.dev/doc/articles/race_detector).
const raceFactor = 10
