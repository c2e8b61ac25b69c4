//go:build race

package e2e

// raceDetector is the flag with which the program is built: as the tests are.
const raceDetector = "-race"

// memoryFactor is how much more memory the program needs than without the race detector:
// five to ten times (https://go.dev/doc/articles/race_detector).
const memoryFactor = 10
