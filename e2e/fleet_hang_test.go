package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// stream writes lines of Postfix at a steady rate, of which every third is a failure, and
// knows when each failure was written.
type stream struct {
	h       *mailServer
	mu      sync.Mutex
	written []time.Time // of each failure
}

// run writes so many lines a second, in pieces, until the context is done.
func (s *stream) run(ctx context.Context, perSecond int) {
	log, err := os.OpenFile(s.h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		s.h.t.Error(err)
		return
	}
	defer log.Close()
	const pieces = 20
	tick := time.NewTicker(time.Second / pieces)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var lines strings.Builder
		failures := 0
		for range perSecond / pieces {
			n++
			said := "dsn=2.0.0, status=sent (250 2.0.0 Ok)"
			if n%3 == 0 {
				failures++
				said = "dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))"
			}
			fmt.Fprintf(&lines, "%s %s postfix/smtp[7]: 4F%06X: to=<user%d@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, %s\n",
				time.Now().UTC().Format("2006-01-02T15:04:05.000000-07:00"), s.h.name, n, n, said)
		}
		s.mu.Lock()
		for range failures {
			s.written = append(s.written, time.Now())
		}
		s.mu.Unlock()
		if _, err := log.WriteString(lines.String()); err != nil {
			s.h.t.Error(err)
			return
		}
	}
}

func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.written)
}

// arrivals polls how many failures a database has, until the context is done, and returns
// when each was there first.
func arrivals(ctx context.Context, count func() (int, error)) (at []time.Time) {
	for ctx.Err() == nil {
		n, err := count()
		for now := time.Now(); err == nil && len(at) < n; {
			at = append(at, now)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return at
}

// delays returns how long failures took from their lines to a database, from one of them to
// another, sorted.
func (s *stream) delays(at []time.Time, from, to int) (all []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := from; i < min(to, len(at)); i++ {
		all = append(all, at[i].Sub(s.written[i]))
	}
	slices.Sort(all)
	return all
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)].Round(time.Millisecond)
}

// The records of a daemon come as before while PostgreSQL hangs, and all are in the fleet
// when it does not any more, each once.
func TestADaemonDoesNotNoticeThatPostgreSQLHangs(t *testing.T) {
	t.Parallel()
	server, database, hosts := newFleet(t, "mx1")
	h := hosts[0]
	write(t, h.log, "")
	start(t, "--config", h.settings)
	eventually(t, h.db, "SELECT count(*) FROM bounces", "0")
	h.send()
	waitFor(t, "the host in the fleet", func() bool {
		return server.SQL(t, database, "SELECT count(*) FROM bouncetail.fleet_instances") == "1\n"
	})

	local, err := sql.Open("sqlite3", "file:"+h.db+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	remote, err := pgx.Connect(t.Context(), server.DSN(database, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close(context.Background())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lines := &stream{h: h}
	var work sync.WaitGroup
	defer work.Wait()
	var here, there []time.Time
	work.Go(func() {
		here = arrivals(ctx, func() (n int, err error) {
			err = local.QueryRowContext(ctx, "SELECT count(*) FROM bounces").Scan(&n)
			return n, err
		})
	})
	work.Go(func() {
		there = arrivals(ctx, func() (n int, err error) {
			err = remote.QueryRow(ctx, "SELECT count(*) FROM bouncetail.bounces").Scan(&n)
			return n, err
		})
	})
	writing, end := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() { lines.run(writing, 300) })
	time.Sleep(5 * time.Second)
	before := lines.count()
	resume := server.Hang(t)
	time.Sleep(6 * time.Second)
	during, resumed := lines.count(), time.Now()
	resume()
	time.Sleep(time.Second)
	end()
	writer.Wait()

	all := fmt.Sprint(lines.count())
	eventually(t, h.db, "SELECT count(*) FROM bounces", all)
	waitFor(t, "all failures in PostgreSQL", func() bool {
		return server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces") == all+"\n"
	})
	want := query(t, h.db, "SELECT event_id FROM bounces ORDER BY event_id")
	if got := strings.Fields(server.SQL(t, database, "SELECT encode(event_id, 'hex') FROM bouncetail.bounces ORDER BY 1")); !slices.Equal(got, want) {
		t.Errorf("the fleet has %d failures, the host %d", len(got), len(want))
	}
	if got := server.SQL(t, database, "SELECT failures, (SELECT count(*) FROM bouncetail.recipients WHERE state = 'bad' AND permanent_count = 1) FROM bouncetail.fleet_instances"); got != all+"|"+all+"\n" {
		t.Errorf("the host has sent, and are bad: %q, want %s each", got, all)
	}
	stop()
	work.Wait()
	quiet, hanging, sent := lines.delays(here, 0, before), lines.delays(here, before, during), lines.delays(there, 0, before)
	t.Logf("from the line to the host: p50 %v, p95 %v; while PostgreSQL hangs p50 %v, p95 %v; to the fleet: p50 %v, p95 %v",
		percentile(quiet, 50), percentile(quiet, 95), percentile(hanging, 50), percentile(hanging, 95), percentile(sent, 50), percentile(sent, 95))
	if len(there) < during || there[during-1].Before(resumed) {
		t.Error("PostgreSQL has not hung")
	}
	if len(hanging) < 100 || percentile(hanging, 50) > 4*percentile(quiet, 50)+time.Second {
		t.Errorf("%d records took %v while PostgreSQL hung, and %v before", len(hanging), percentile(hanging, 50), percentile(quiet, 50))
	}
}
