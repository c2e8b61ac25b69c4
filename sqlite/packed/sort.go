// Package packed holds the formats of packed rows: sorted entries of a fixed size, or
// counts by slot. Nearly all deliveries succeed, and a row for each would cost more
// than everything else together.
package packed

import (
	"cmp"
	"math/bits"
	"slices"
)

// Sorter sorts entries. It keeps its buffers.
type Sorter struct {
	deliveries []Delivery
	successes  []Success
}

// sortByHash sorts by a number whose values are spread evenly, as those of a hash
// are: by its highest bits first, which leaves a few in each place. It returns the
// buffer that it used.
func sortByHash[T interface{ hash() uint64 }](all, buf []T) []T {
	const few = 8
	order := bits.Len(uint(len(all) / few))
	ends := make([]int32, 1<<order+1) // where a place starts, and later where it ends
	shift := 64 - order
	for i := range all {
		ends[all[i].hash()>>shift+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	buf = append(buf[:0], all...)
	for i := range buf {
		at := &ends[buf[i].hash()>>shift]
		all[*at] = buf[i]
		*at++
	}
	start := int32(0)
	for _, end := range ends[:len(ends)-1] {
		slices.SortFunc(all[start:end], func(a, b T) int { return cmp.Compare(a.hash(), b.hash()) })
		start = end
	}
	return buf
}
