// Package volume says how many cases a test tries that has more than make test has time
// for.
package volume

import "os"

// all is set by make torture.
const all = "BOUNCETAIL_TEST_ALL"

// Of returns usual, or more in make torture.
func Of[T any](usual, more T) T {
	if os.Getenv(all) != "" {
		return more
	}
	return usual
}
