//go:build !race

package e2e

const raceDetector = "-race=false"

// memoryFactor is how much more memory the program needs than without the race detector.
const memoryFactor = 1
