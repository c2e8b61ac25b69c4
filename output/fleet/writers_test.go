package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A host whose replies are nobody else's business sends none, and the states are the
// same.
func TestWithoutRepliesStatesAreTheSame(t *testing.T) {
	server, dsn, database := newFleet(t)
	r := rand.New(rand.NewPCG(4, 4))
	events := story(r, 2)
	one := filepath.Join(t.TempDir(), "one.db")
	hosts := []*host{newHost(t, dsn, "mx0"), newHost(t, dsn, "mx1")}
	save(t, openStore(t, one), batches(r, slices.Concat(events...))...)
	for i, h := range hosts {
		h.sender.HideReplies = true
		h.read(t, batches(r, events[i])...)
	}
	for _, h := range slices.Concat(hosts, hosts) {
		h.send(t)
	}
	admin := server.DSN(database, "postgres")
	private := "SELECT count(*)::text FROM bouncetail.bounces WHERE coalesce(reply, sender, message_id, queue_id, url) IS NOT NULL"
	if got := dumpFleet(t, admin, private); got[0] != "0" {
		t.Errorf("%s failures with a reply, a sender, a message ID or a queue ID in the fleet", got[0])
	}
	if got := dumpFleet(t, admin, "SELECT count(*)::text FROM bouncetail.bounces"); got[0] == "0" {
		t.Error("nothing was sent")
	}
	// Failures that mean the same at the same instant are ordered by the queue ID, so that
	// another of them may be the last.
	states := func(rows []string) (list []string) {
		for _, row := range rows {
			fields := strings.Split(row, "|")
			list = append(list, strings.Join(fields[:len(fields)-2], "|"))
		}
		return list
	}
	if got, want := states(dumpFleet(t, admin, fleetRecipients)), states(dumpSQLite(t, one, sqliteRecipients)); !slices.Equal(got, want) {
		t.Errorf("recipients:\n%s", diff(got, want))
	}
}

// Between the senders and PostgreSQL there is a pool of two connections, which are
// another one's after each transaction.
func TestAFleetBehindPgbouncer(t *testing.T) {
	t.Parallel()
	server, _, database := newFleet(t)
	user := "host_of_" + database
	pool := server.Pool(t, "postgres", user)
	for _, seed := range seeds(t, 0) {
		server.SQL(t, database, emptyFleet)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { tellStory(t, server, pool.DSN(database, user), seed) })
	}
}

// Who polls the changes by their number sees the last change of every recipient, while
// many hosts write. BOUNCETAIL_TEST_FLEET_CHANGES is how many changes 16 hosts make.
func TestAReaderByNumberMissesNothing(t *testing.T) {
	_, dsn, _ := newFleet(t)
	hosts, failures := 4, 1500
	if text := os.Getenv("BOUNCETAIL_TEST_FLEET_CHANGES"); text != "" {
		all, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		hosts, failures = 16, all/16
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for i := range hosts {
		h := newHost(t, dsn, fmt.Sprint("mx", i))
		h.sender.batchSize = min(batchSize, failures/30)
		h.fill(t, i, failures)
		running.Go(func() {
			// A deadlock would be an error.
			if sent, err := h.sender.SendAll(t.Context()); err != nil || sent.New != failures {
				t.Errorf("%d failures are sent, %v; want %d", sent.New, err, failures)
			}
		})
	}
	begun := time.Now()
	s := Settings{DSN: dsn}
	conn, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	seen := make(map[int64]int64)
	last, changes := int64(0), 0
	poll := func() {
		rows, err := conn.Query(t.Context(), "SELECT recipient_key, seq FROM bouncetail.changes WHERE seq > $1 ORDER BY seq", last)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var key int64
			if err := rows.Scan(&key, &last); err != nil {
				t.Fatal(err)
			}
			seen[key] = last
			changes++
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	}
	go func() { running.Wait(); stop() }()
	for ctx.Err() == nil {
		poll()
	}
	poll()
	rows, err := conn.Query(t.Context(), "SELECT recipient_key, seq FROM bouncetail.recipients")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key, seq int64
		if err := rows.Scan(&key, &seq); err != nil {
			t.Fatal(err)
		}
		if seen[key] != seq {
			t.Errorf("recipient %d changed as %d, and was last seen as %d", key, seq, seen[key])
		}
	}
	if len(seen) == 0 {
		t.Error("no recipient was seen")
	}
	t.Logf("%d changes up to number %d of %d recipients were seen within %.1f s", changes, last, len(seen), time.Since(begun).Seconds())
}

// An address often fails again in the next batches. A change that does not fit into the
// page of its row writes to all indexes of recipients.
func TestMostChangesOfRecipientsWriteToNoIndex(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.fill(t, 0, 4000) // 400 addresses, of which a batch has a quarter
	h.sender.batchSize = 100
	h.send(t)
	h.sender.close()
	const changes = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'bouncetail.recipients'::regclass"
	var all, inPage int
	eventually(t, "the statistics of the connection", func() bool {
		_, err := fmt.Sscanf(server.SQL(t, database, changes), "%d|%d", &all, &inPage)
		return err == nil && all >= 3600
	})
	if inPage < all*85/100 {
		t.Errorf("of %d changes, %d did not write to an index, want 85 %%", all, inPage)
	}
}
