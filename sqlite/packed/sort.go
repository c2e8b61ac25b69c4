// Package packed holds the formats of packed rows: sorted entries of a fixed size, or
// counts by slot. Nearly all deliveries succeed, and a row for each would cost more
// than everything else together.
package packed

import (
	"cmp"
	"math/bits"
	"slices"
)

// entry is the form of what is sorted, with the hash first. All entries have it, so
// that the compiler makes one function of each generic one, without calls of methods.
type entry interface {
	~struct {
		Key  uint64
		Last int64
	}
}

// Sorter sorts entries. It keeps its buffers.
type Sorter struct {
	deliveries []Delivery
	successes  []Success
}

// sortByHash sorts by a number whose values are spread evenly, as those of a hash
// are: by the highest bits in which they differ first, which leaves one or two in each
// place. It returns the buffer that it used.
func sortByHash[T entry](all, buf []T) []T {
	order := bits.Len(uint(len(all) / 2))
	var differ uint64
	for i := range all {
		differ |= Delivery(all[i]).Key ^ Delivery(all[0]).Key
	}
	shift, mask := max(bits.Len64(differ)-order, 0), uint64(1)<<order-1
	ends := make([]int32, 1<<order+1) // where a place starts, and later where it ends
	for i := range all {
		ends[Delivery(all[i]).Key>>shift&mask+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	buf = append(buf[:0], all...)
	for i := range buf {
		at := &ends[Delivery(buf[i]).Key>>shift&mask]
		all[*at] = buf[i]
		*at++
	}
	sortNearly(all)
	return buf
}

// sortNearly sorts what is sorted but for neighbors: each is moved before those that
// are greater. Many that are equal in their highest bits are sorted otherwise.
func sortNearly[T entry](all []T) {
	const few = 32
	for i := 1; i < len(all); i++ {
		one := all[i]
		h := Delivery(one).Key
		at := i
		for ; at > 0 && Delivery(all[at-1]).Key > h; at-- {
			if i-at == few {
				all[at] = one
				slices.SortFunc(all, func(a, b T) int { return cmp.Compare(Delivery(a).Key, Delivery(b).Key) })
				return
			}
			all[at] = all[at-1]
		}
		all[at] = one
	}
}
