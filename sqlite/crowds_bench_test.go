package sqlite

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/crowdgen"
)

// BenchmarkFollowOutage saves an outage with 6,000 suspects as a daemon follows it,
// fifty lines at a time.
func BenchmarkFollowOutage(b *testing.B) {
	scenario, _ := crowdgen.Find("provider-outage")
	days := scenario.Generate(1).Days()
	for b.Loop() {
		b.StopTimer()
		s := openWithCrowds(b, filepath.Join(b.TempDir(), "b.db"))
		if _, err := s.Save(b.Context(), batchOfEvents(days[0])); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		n, worst, began := 0, time.Duration(0), time.Now()
		for events := range slices.Chunk(days[1], 50) {
			from := time.Now()
			if _, err := s.Save(b.Context(), batchOfEvents(events)); err != nil {
				b.Fatal(err)
			}
			n++
			worst = max(worst, time.Since(from))
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000/float64(n), "ms/commit")
		b.ReportMetric(float64(worst.Microseconds())/1000, "ms/worst")
	}
}

// BenchmarkFollow saves ordinary mail as a daemon follows it, eighty lines at a time,
// with crowds and without.
func BenchmarkFollow(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var events []crowdgen.Event
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for range 100_000 {
		at = at.Add(time.Duration(r.IntN(120)) * time.Millisecond)
		e := crowdgen.Event{At: at, Relay: "mx.mail.example"}
		n := r.IntN(500_000)
		if r.IntN(100) < 2 {
			n = r.IntN(25_000)
			e.Reason, e.Reply = "no-such-user", "550 5.1.1 unknown"
		}
		domain := fmt.Sprintf("d%d.example", n%977)
		if n%3 == 0 {
			domain = "gmail.com"
		}
		e.To = fmt.Sprintf("user%d@%s", n, domain)
		events = append(events, e)
	}
	for name, limits := range map[string]bounce.CrowdLimits{"crowds": crowdLimits, "off": {}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := openWithCrowds(b, filepath.Join(b.TempDir(), "b.db"))
				if _, _, err := s.UsePolicy(b.Context(), &bounce.Policy{Crowds: limits}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				n := 0
				var before, after syscall.Rusage
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
					b.Fatal(err)
				}
				for some := range slices.Chunk(events, 80) {
					if _, err := s.Save(b.Context(), batchOfEvents(some)); err != nil {
						b.Fatal(err)
					}
					n++
				}
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
					b.Fatal(err)
				}
				cpu := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
				b.ReportMetric(float64(cpu.Microseconds())/1000/float64(n), "cpu-ms/commit")
			}
		})
	}
}
