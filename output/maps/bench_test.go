package maps

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// BenchmarkPublish writes all maps, of 100,000 addresses.
func BenchmarkPublish(b *testing.B) {
	l := &list{}
	for n := range 100_000 {
		since := fmt.Sprintf("2026-%02d-01T00:00:00.000Z", 1+n%12)
		l.bad = append(l.bad, bounce.Recipient{Recipient: fmt.Sprintf("user%06d@d%d.example", n, n%50), Reason: bounce.NoSuchUser, BadSince: &since})
	}
	dir := filepath.Join(b.TempDir(), "maps")
	for b.Loop() {
		p := &Publisher{Dir: dir, Maps: names(), Text: "5.1.1 This address bounces: {reason} since {since}", Source: l, Log: slog.New(slog.DiscardHandler)}
		if _, err := p.Publish(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(l.bad)), "µs/address")
}
