package ahead

import (
	"slices"
	"sync/atomic"
	"testing"
)

func TestEachYieldsAllInOrder(t *testing.T) {
	for n := range 5 {
		var indexes, values []int
		for i, value := range Each(n, func(i int) int { return 10 * i }) {
			indexes, values = append(indexes, i), append(values, value)
		}
		if want := []int{0, 10, 20, 30, 40}[:n]; !slices.Equal(values, want) || len(indexes) != n || n > 0 && indexes[n-1] != n-1 {
			t.Errorf("Each(%d) gave %v at %v, want %v", n, values, indexes, want)
		}
	}
}

// The next value is made while the loop works on one: the loop would wait forever
// otherwise.
func TestEachMakesTheNextDuringTheLoop(t *testing.T) {
	made := make(chan int, 10)
	for i := range Each(10, func(i int) int { made <- i; return i }) {
		if i == 0 {
			if first, next := <-made, <-made; first != 0 || next != 1 {
				t.Errorf("made %d and %d, want 0 and 1", first, next)
			}
		}
	}
}

func TestEachMakesNothingAfterTheLoop(t *testing.T) {
	for _, n := range []int{1, 3, 1000} {
		var calls atomic.Int64
		for range Each(n, func(i int) int { calls.Add(1); return i }) {
			break
		}
		// One in the loop, one that waits, and one that is made when the loop ends.
		if made := calls.Load(); made > 3 {
			t.Errorf("%d of %d were made for a loop that ended at the first", made, n)
		}
	}
}
