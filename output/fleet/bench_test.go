package fleet

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/tune"
)

// BenchmarkSend sends 20,000 failures of each of some hosts. PostgreSQL and the senders
// share the machine.
func BenchmarkSend(b *testing.B) {
	tune.Send()                          // as bouncetail fleet send does
	runtime.GOMAXPROCS(runtime.NumCPU()) // for several senders in one process
	for _, one := range []struct{ hosts, batch int }{{1, 1000}, {4, 1000}, {1, 100}} {
		hosts := one.hosts
		b.Run(fmt.Sprintf("hosts=%d/batch=%d", hosts, one.batch), func(b *testing.B) {
			const rows = 20_000
			server, dsn, database := newFleet(b)
			for b.Loop() {
				b.StopTimer()
				server.SQL(b, database, emptyFleet)
				all := make([]*host, hosts)
				for i := range all {
					all[i] = newHost(b, dsn, fmt.Sprint("mx", i))
					all[i].sender.batchSize = one.batch
					all[i].fill(b, i, rows)
				}
				b.StartTimer()
				begun := time.Now()
				var running sync.WaitGroup
				for _, h := range all {
					running.Go(func() {
						if _, err := h.sender.SendAll(b.Context()); err != nil {
							b.Error(err)
						}
					})
				}
				running.Wait()
				b.ReportMetric(float64(hosts*rows)/time.Since(begun).Seconds(), "rows/s")
			}
		})
	}
}

// fill stores failures of a host with a number, ten of each address: refusals, and
// deferrals. Hosts with the same remainder by 8 have the same addresses.
func (h *host) fill(b testing.TB, number, rows int) {
	for first := 0; first < rows; first += 5000 {
		batch := &bounce.Batch{}
		for n := first; n < min(first+5000, rows); n++ {
			address := bounce.Address{Normal: fmt.Sprintf("user%d.%d@d%d.example", number%8, n%(rows/10), n%50), Domain: fmt.Sprintf("d%d.example", n%50)}
			v := bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender, Disposition: bounce.Retry, Rule: "text/greylisted"}
			if n%5 == 0 {
				v = bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "text/no-such-user"}
			}
			batch.Records.Add(&bounce.Record{
				Delivery: bounce.Delivery{
					ID: bounce.NewEventID(uint32(n), fmt.Sprint(number, n)), At: day.Add(time.Duration(n) * time.Second), MTA: bounce.Postfix, Outcome: bounce.Deferred, Host: "mx", QueueID: fmt.Sprintf("4F%08X", n),
					Sender: "news@sender.example", HasSender: true, MessageID: fmt.Sprintf("%d.%d@sender.example", number, n), DSN: "4.2.0",
					Reply: bounce.Reply{SMTPCode: 450, EnhancedCode: "4.2.0", Text: "450 4.2.0 Greylisted, see https://greylist.example/" + address.Normal, Stage: bounce.StageRcptTo, RelayHost: "mx." + address.Domain, RelayIP: "192.0.2.7", RelayPort: 25},
				},
				Verdict: v, To: address,
			})
		}
		h.read(b, batch)
	}
}
