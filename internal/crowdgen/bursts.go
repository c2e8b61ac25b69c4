package crowdgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Bursts makes 250 random events of few addresses in 200 hours, so dense that crowds
// come, grow, split and go.
func Bursts(r *rand.Rand) (events []Event) {
	bursts := []int{r.IntN(200), r.IntN(200), r.IntN(200)} // hours in which most is refused
	for range 250 {
		hour := r.IntN(200)
		if r.IntN(2) == 0 {
			hour = bursts[r.IntN(len(bursts))] + r.IntN(2)
		}
		n := r.IntN(30)
		e := Event{
			At: time.Date(2026, 3, 2, hour, r.IntN(60), r.IntN(60), r.IntN(1000)*1e6, time.UTC),
			To: fmt.Sprintf("a%d@d%d.example", n, n%5), Relay: fmt.Sprintf("mx%d.hoster%d.example", n%2, n%3),
		}
		if refused := slices.Contains(bursts, hour) || r.IntN(6) == 0; refused && r.IntN(10) > 0 {
			e.Reason, e.Reply = "no-such-user", "550 5.1.1 unknown"
			if r.IntN(4) == 0 {
				e.Reason, e.Relay, e.Reply = "no-such-domain", "", fmt.Sprintf("Host not found: d%d.example", n%5)
			}
		}
		events = append(events, e)
	}
	return events
}
