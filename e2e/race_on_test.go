//go:build race

package e2e

// raceDetector is the flag with which the program is built: as the tests are.
const raceDetector = "-race"
