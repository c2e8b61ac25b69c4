package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// A clock that jumps ahead ends no incident.
func TestIncidentsDoNotFollowAClockThatJumps(t *testing.T) {
	c := config.Default()
	c.Database = filepath.Join(t.TempDir(), "b.db")
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		store, err := sqlite.Open(t.Context(), c.Database, log)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		b := &bounce.Batch{}
		for n := range 5 {
			r := bounce.Record{
				Delivery: bounce.Delivery{
					ID: bounce.EventID{byte(n)}, At: time.Now(), MTA: bounce.Postfix, Outcome: bounce.Bounced, QueueID: "4A", First: true,
					Recipient: fmt.Sprintf("u%d@example.com", n), Reply: bounce.Reply{SMTPCode: 550, Text: "550 not accepted"},
				},
				Verdict: bounce.Verdict{Category: bounce.DMARC, Reason: bounce.DMARCFailed, Scope: bounce.ScopeSender, Disposition: bounce.Permanent, Provider: "google"},
			}
			r.To = address.Parse(r.Recipient)
			b.Records.Add(&r)
		}
		if _, err := store.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		var ahead atomic.Int64 // of the machine's clock
		started := time.Now()
		now := &clock{read: func() (time.Time, time.Duration) {
			return time.Now().Add(time.Duration(ahead.Load())), time.Since(started) + time.Hour
		}}
		ended := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			defer close(ended)
			watchIncidents(ctx, c, now, &health.Retrying{}, log)
		}()
		defer func() { stop(); <-ended }()
		open := func() bool {
			t.Helper()
			synctest.Wait()
			r, err := query.OpenReader(t.Context(), c.Database)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			all, err := incidents.List(t.Context(), r.Querier(), incidents.Filter{Addresses: 1})
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != 1 {
				t.Fatalf("%d incidents, want 1", len(all))
			}
			return all[0].Open()
		}
		time.Sleep(2 * time.Minute)
		if !open() {
			t.Fatal("the incident is not open at first")
		}
		ahead.Store(int64(24 * time.Hour))
		time.Sleep(2 * time.Hour)
		if !open() {
			t.Error("it has ended by a clock that has jumped")
		}
		ahead.Store(0)
		time.Sleep(c.Incidents.Gap)
		if open() {
			t.Error("it has not ended after a long pause")
		}
	})
}
