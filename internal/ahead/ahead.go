// Package ahead makes values in the order in which they are used, while the one before
// is in use.
package ahead

import (
	"iter"
	"sync"
)

// Each yields n values with their indexes. While the loop works on one, another
// goroutine makes the next; it has ended when the loop ends. So of must not use
// anything that the loop changes. If there is one value only, no goroutine is started.
func Each[T any](n int, of func(i int) T) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		if n == 1 {
			yield(0, of(0))
			return
		}
		made, stop := make(chan T, 1), make(chan struct{})
		var making sync.WaitGroup
		making.Go(func() {
			defer close(made)
			for i := range n {
				select {
				case made <- of(i):
				case <-stop:
					return
				}
			}
		})
		defer making.Wait()
		defer close(stop)
		i := 0
		for one := range made {
			if !yield(i, one) {
				return
			}
			i++
		}
	}
}
