package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/tune"
)

// sendProcess is the environment variable that tells this program, run as a further
// process, what to send.
const sendProcess = "BOUNCETAIL_TEST_FLEET_SEND"

// BenchmarkSend sends 40,000 failures of each of some hosts, by a process for each, as
// bouncetail fleet send --once does. PostgreSQL and the senders share the machine.
func BenchmarkSend(b *testing.B) {
	for _, one := range []struct{ hosts, batch int }{{1, 1000}, {4, 1000}, {1, 100}} {
		b.Run(fmt.Sprintf("hosts=%d/batch=%d", one.hosts, one.batch), func(b *testing.B) {
			const rows = 40_000
			server, dsn, database := newFleet(b)
			for b.Loop() {
				b.StopTimer()
				server.SQL(b, database, emptyFleet)
				senders := make([]*exec.Cmd, one.hosts)
				for i := range senders {
					h := newHost(b, dsn, fmt.Sprint("mx", i))
					h.fill(b, i, rows)
					senders[i] = h.process(b, one.batch)
				}
				postgres := server.CPU(b)
				b.StartTimer()
				begun := time.Now()
				var running sync.WaitGroup
				for _, c := range senders {
					running.Go(func() {
						if out, err := c.CombinedOutput(); err != nil {
							b.Errorf("%v: %s", err, out)
						}
					})
				}
				running.Wait()
				took := time.Since(begun)
				b.StopTimer()
				time.Sleep(100 * time.Millisecond) // until the server has waited for the processes of the connections
				var sent time.Duration
				for _, c := range senders {
					sent += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
				}
				all := float64(one.hosts * rows)
				b.ReportMetric(all/took.Seconds(), "rows/s")
				b.ReportMetric(float64(sent.Microseconds())/all, "sender-µs/row")
				b.ReportMetric(float64((server.CPU(b)-postgres).Microseconds())/all, "postgres-µs/row")
				b.StartTimer()
			}
		})
	}
}

// process returns a process that sends all that a host has.
func (h *host) process(b *testing.B, batch int) *exec.Cmd {
	b.Helper()
	c := exec.CommandContext(b.Context(), os.Args[0])
	c.Env = append(os.Environ(), sendProcess+"="+fmt.Sprintf("%d|%s|%s|%s", batch, h.sender.Instance, h.sender.Database, h.sender.DSN))
	return c
}

// sendAll does what process asks for.
func sendAll(ctx context.Context, what string) {
	part := strings.SplitN(what, "|", 4)
	tune.Send() // as bouncetail fleet send does
	s := &Sender{Settings: Settings{Instance: part[1], Database: part[2], DSN: part[3], Version: "test", Policy: &policy, Log: quiet}}
	s.batchSize, _ = strconv.Atoi(part[0])
	if _, err := s.SendAll(ctx); err != nil {
		fmt.Println(err)
		os.Exit(1)
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
