package queue

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestDeferralsAreThoseSetLastHoweverTheirMemoryIsUsedAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, recipients := range []int{2, few, 5 * few} {
		var d deferrals
		want := make(map[string]*deferral)
		for range 3000 {
			to := fmt.Sprintf("%s@b.example", strings.Repeat("x", rng.IntN(recipients)))
			switch n := rng.IntN(100); {
			case n < 60:
				of := deferral{
					OriginalRecipient: strings.Repeat("o", rng.IntN(3)),
					DSN:               fmt.Sprintf("4.%d.1", rng.IntN(100)),
					Reply:             bounce.Reply{SMTPCode: 450, Text: strings.Repeat("later", rng.IntN(10)), RelayHost: "mx.b.example", Stage: bounce.StageData},
				}
				d.set(to, of)
				want[to] = &of
			case n < 98:
				if want[to] != nil {
					d.remove(to)
					delete(want, to)
				}
			default:
				d.clear()
				clear(want)
			}
			if got := d.byRecipient(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("of %d recipients:\n got %v\nwant %v", recipients, got, want)
			}
			if got := d.of(to); (got == nil) != (want[to] == nil) {
				t.Fatalf("of(%q) = %v, want %v", to, got, want[to])
			}
		}
	}
}
