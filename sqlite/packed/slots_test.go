package packed

import (
	"slices"
	"testing"
)

func TestSlotsArePackedAndMerged(t *testing.T) {
	var c Slots
	for _, slot := range []byte{5, 5, 143, 0, 5, 7} {
		c.Add(slot, 100, 1)
	}
	for _, domains := range []bool{false, true} {
		got, err := UnpackSlots(c.Pack(domains), domains)
		want := Slots{{0, 100, 1}, {5, 300, 3}, {7, 100, 1}, {143, 100, 1}}
		if !domains {
			for i := range want {
				want[i].Domains = 0
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("packed and unpacked: %v, %v; want %v", got, err, want)
		}
	}
	for _, damaged := range [][]byte{{1}, {1, 0x80}, {144, 1}} {
		if _, err := UnpackSlots(damaged, false); err == nil {
			t.Errorf("UnpackSlots(%x) gives no error", damaged)
		}
	}
}
