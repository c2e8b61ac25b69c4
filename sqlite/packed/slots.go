package packed

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// SlotsOfDay is the number of slots of a day, see recipient.Slot.
const SlotsOfDay = 144

// Slots are deliveries by the slot of a day, sorted by slot.
type Slots []SlotCount

// SlotCount are the deliveries of a slot.
type SlotCount struct {
	Slot          byte
	Sent, Domains int // Domains only in daily_traffic
}

// Add counts deliveries in a slot of a day.
func (c *Slots) Add(slot byte, sent, domains int) {
	if last := len(*c) - 1; last >= 0 && (*c)[last].Slot == slot { // usually
		(*c)[last].Sent += sent
		(*c)[last].Domains += domains
		return
	}
	i, found := slices.BinarySearchFunc(*c, slot, func(one SlotCount, slot byte) int { return cmp.Compare(one.Slot, slot) })
	if !found {
		*c = slices.Insert(*c, i, SlotCount{Slot: slot})
	}
	(*c)[i].Sent += sent
	(*c)[i].Domains += domains
}

// Pack returns the counts as they are stored.
func (c Slots) Pack(domains bool) []byte {
	packed := make([]byte, 0, 4*len(c))
	for _, one := range c {
		packed = binary.AppendUvarint(append(packed, one.Slot), uint64(one.Sent))
		if domains {
			packed = binary.AppendUvarint(packed, uint64(one.Domains))
		}
	}
	return packed
}

// UnpackSlots reads what Pack returns.
func UnpackSlots(packed []byte, domains bool) (c Slots, err error) {
	r := bytes.NewReader(packed)
	for r.Len() > 0 {
		slot, _ := r.ReadByte()
		sent, err := binary.ReadUvarint(r)
		one := SlotCount{Slot: slot, Sent: int(sent)}
		if domains && err == nil {
			var n uint64
			n, err = binary.ReadUvarint(r)
			one.Domains = int(n)
		}
		if err != nil || slot >= SlotsOfDay {
			return nil, fmt.Errorf("slots %x are damaged", packed)
		}
		c = append(c, one)
	}
	return c, nil
}
