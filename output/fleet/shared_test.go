package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Two hosts follow the same log. What it says counts once, and status names how many of the
// failures of a host the other had sent before.
func TestTwoHostsThatFollowTheSameLog(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	r := rand.New(rand.NewPCG(1, 2))
	one := filepath.Join(t.TempDir(), "one.db")
	store := openStore(t, one)
	log := slices.Concat(story(r, 2)...)
	save(t, store, batches(r, log)...)
	hosts := []*host{newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")}
	for _, h := range hosts {
		h.rest = batches(r, log)
	}
	for len(hosts[0].rest)+len(hosts[1].rest) > 0 {
		if h := hosts[r.IntN(2)]; len(h.rest) > 0 {
			h.read(t, h.rest[0])
			h.rest = h.rest[1:]
			h.send(t)
		}
	}
	for _, h := range slices.Concat(hosts, hosts) {
		h.send(t)
	}
	inSQLite, inFleet := recordsOf()
	for what, queries := range map[string][2]string{"recipients": {sqliteRecipients, fleetRecipients}, "bounces": {inSQLite, inFleet}} {
		if got, want := dumpFleet(t, admin, queries[1]), dumpSQLite(t, one, queries[0]); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s", what, diff(got, want))
		}
	}
	compareFigures(t, "two hosts have one log", admin, hosts...)
	compareCrowds(t, "two hosts have one log", admin, one)
	compareCounters(t, "two hosts have one log", admin, one)
	const shared = "SELECT sum(shared) = (SELECT count(*) FROM bouncetail.bounces), sum(failures) = (SELECT count(*) FROM bouncetail.bounces), min(shared) > 0 FROM bouncetail.fleet_instances"
	if got := server.SQL(t, database, shared); got != "t|t|t\n" {
		t.Errorf("each failure is one of a host, and shared by the other: %s", got)
	}
}

// mx1 and mx2 share a log, and each has another one. Both count, and the status of each
// says so. mx3 has a log of mx1 only, which is counted there.
func TestStatusNamesHostsThatShareALog(t *testing.T) {
	_, dsn, _ := newFleet(t)
	r := rand.New(rand.NewPCG(5, 2))
	logs := apart(story(r, 3))
	hosts := []*host{newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2"), newHost(t, dsn, "mx3")}
	for i, log := range [][]any{slices.Concat(logs[0], logs[2]), slices.Concat(logs[1], logs[2]), logs[0]} {
		hosts[i].read(t, batches(r, log)...)
		hosts[i].send(t)
	}
	all, err := hosts[0].sender.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].Twice == 0 || all[0].Twice != all[1].Twice || all[0].SharesWith != "mx2" || all[1].SharesWith != "mx1" || all[0].CoveredBy+all[1].CoveredBy != "" {
		t.Errorf("mx1 and mx2 share a log: %+v", all)
	}
	if all[2].CoveredBy != "mx1" || all[2].Twice != 0 || all[2].SharesWith != "" {
		t.Errorf("mx3 has a log of mx1: %+v", all[2])
	}
}

// A host that is covered is the first to send a day. Then it turns out that it has read more
// than the other.
func TestDeliveriesOfAHostThatWasCoveredCount(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	one, two := newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")
	for range 2 {
		for _, h := range []*host{one, two} {
			h.read(t, some(0)...)
			h.send(t)
		}
	}
	const covered = "SELECT i.instance, count(*) FROM bouncetail.fleet_covered c JOIN bouncetail.fleet_instances i ON i.number = c.instance GROUP BY 1"
	if got := server.SQL(t, database, covered); got != "mx2|3\n" { // with the day after
		t.Fatalf("covered: %q, want mx2", got)
	}
	var more []*bounce.Batch
	for i := range 30 {
		b := refused(fmt.Sprint("later", i), 60*24*2+i)
		b.Domains = []string{"example.com"}
		b.Successes = append(b.Successes, bounce.Success{ID: bounce.NewEventID(uint32(i), fmt.Sprint("sent later", i)), At: day.AddDate(0, 0, 2).Add(time.Duration(i) * time.Minute).UnixMilli(), Key: int64(i)})
		more = append(more, b)
	}
	two.read(t, more...)
	two.send(t)
	compareCounters(t, "the other host is behind", admin, two.sender.Database)
}

// Each of several hosts counts what it has read of the failures of the others, although they
// send at the same time.
func TestHostsThatFollowALogSendAtTheSameTime(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	r := rand.New(rand.NewPCG(8, 1))
	logs := apart(story(r, 2))
	one := filepath.Join(t.TempDir(), "one.db")
	save(t, openStore(t, one), batches(r, slices.Concat(logs...))...)
	var hosts []*host
	for i, log := range [][]any{logs[0], logs[0], logs[0], slices.Concat(logs...), logs[1]} {
		h := newHost(t, dsn, fmt.Sprint("mx", i))
		h.read(t, batches(r, log)...)
		h.sender.batchSize = 20
		hosts = append(hosts, h)
	}
	var running sync.WaitGroup
	for _, h := range hosts {
		running.Go(func() {
			if _, err := h.sender.SendAll(t.Context()); err != nil {
				t.Errorf("%s: %v", h.sender.Instance, err)
			}
		})
	}
	running.Wait()
	if got, want := dumpFleet(t, admin, readByHosts), dumpFleet(t, admin, readInRows); !slices.Equal(got, want) {
		t.Errorf("hosts have read:\n%s", diff(got, want))
	}
	compareCounters(t, "all are sent", admin, one)
	for _, h := range hosts { // each hears of the failures of the others
		h.send(t)
	}
	compare(t, "all are sent again", admin, one)
}

// A line with a wrong year is thousands of years away from the others. What is between them
// is not searched for crowds, week by week.
func TestDaysWithoutRefusalsAreNotSearched(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	at := func(local string, at time.Time) *bounce.Batch {
		b := &bounce.Batch{}
		refused(local, 0).Records.Each(func(r *bounce.Record) {
			r.At = at
			b.Records.Add(r)
		})
		return b
	}
	h.read(t, at("first", time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), refused("between", 0), at("last", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)))
	h.send(t)
	server.SQL(t, database, "UPDATE bouncetail.fleet_clock SET crowds_from = '0001-01-01', crowds_to = '9999-12-31'")
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if _, err := h.sender.SendAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got := server.SQL(t, database, "SELECT crowds_from IS NULL FROM bouncetail.fleet_clock"); got != "t\n" {
		t.Errorf("crowds are still to be found: %q", got)
	}
}
