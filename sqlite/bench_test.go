package sqlite

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// BenchmarkSave saves batches as an import makes them: 85 of 100 attempts
// succeed, to half a million addresses; 25,000 addresses fail.
func BenchmarkSave(b *testing.B) {
	for _, size := range []int{40_000, 200_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "b.db"), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			rng := rand.New(rand.NewPCG(1, 1))
			n := uint32(0)
			for b.Loop() {
				b.StopTimer()
				batch := &bounce.Batch{Domains: []string{"example.com"}}
				for range size {
					n++
					at := day.Add(time.Duration(n) * 7 * time.Millisecond)
					line := fmt.Append(nil, n)
					eventID := bounce.NewEventID(uint32(at.Unix()), string(line))
					if rng.IntN(100) < 85 {
						to := bounce.Address{Normal: fmt.Sprintf("user%d@example.com", rng.IntN(500_000))}
						batch.Successes = append(batch.Successes, bounce.Success{ID: eventID, At: at.UnixMilli(), Key: to.Key()})
						continue
					}
					local := fmt.Sprint("user", rng.IntN(25_000))
					r := failed(local, 1, bounce.Bounced, rng.IntN(3) == 0)
					r.ID, r.At = eventID, at
					r.QueueID, r.Host, r.Sender, r.HasSender, r.MessageID, r.DSN = fmt.Sprintf("%X", n), "mx1", "news@shop.example", true, fmt.Sprint(n, "@shop.example"), "5.1.1"
					r.Reply = bounce.Reply{SMTPCode: 550, EnhancedCode: "5.1.1", Text: "550 5.1.1 <" + r.To.Normal + ">: Recipient address rejected: User unknown in virtual mailbox table", Stage: bounce.StageRcptTo, RelayHost: "mx.example.com", RelayIP: "192.0.2.1", RelayPort: 25}
					batch.Records.Add(&r)
				}
				b.StartTimer()
				if _, err := s.Save(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/event")
		})
	}
}
