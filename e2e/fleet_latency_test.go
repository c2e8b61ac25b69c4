package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A failure is in PostgreSQL within a second of its line, while four hosts send. The bound
// of the test is larger, for busy machines; it logs the times.
func TestAFailureIsSoonInTheFleet(t *testing.T) {
	t.Parallel()
	server, database, hosts := newFleet(t, "mx1", "mx2", "mx3", "mx4")
	server.SQL(t, database, "CREATE ROLE mx4 LOGIN IN ROLE bouncetail_sender")
	for _, h := range hosts {
		write(t, h.log, "")
		start(t, "--config", h.settings)
		h.send()
	}
	waitFor(t, "all hosts in the fleet", func() bool {
		return server.SQL(t, database, "SELECT count(*) FROM bouncetail.fleet_instances") == fmt.Sprintf("%d\n", len(hosts))
	})
	conn, err := pgx.Connect(t.Context(), server.DSN(database, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var all []time.Duration
	for n := range 50 {
		time.Sleep(rand.N(300 * time.Millisecond)) // lines come at any time of a sender's pause
		h := hosts[n%len(hosts)]
		to := fmt.Sprintf("user%d@example.com", n)
		line := fmt.Sprintf("%s %s postfix/smtp[7]: 4F%06X: to=<%s>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))\n",
			time.Now().UTC().Format("2006-01-02T15:04:05.000000-07:00"), h.name, n, to)
		written := time.Now()
		h.write(line)
		waitFor(t, to+" in PostgreSQL", func() bool {
			var there bool
			err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM bouncetail.bounces WHERE recipient = $1)", to).Scan(&there)
			return err == nil && there
		})
		all = append(all, time.Since(written))
	}
	slices.Sort(all)
	t.Logf("from the line to PostgreSQL: p50 %v, p95 %v, at most %v", percentile(all, 50), percentile(all, 95), percentile(all, 100))
	if percentile(all, 50) > 3*time.Second {
		t.Errorf("half of the failures took longer than %v", percentile(all, 50))
	}
}
