package fleet

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// usualStalls has servers asked soon whether they are there, until the test ends.
func usualStalls(t *testing.T, limit time.Duration) {
	usual := stallLimit
	stallLimit = limit
	t.Cleanup(func() { stallLimit = usual })
}

// A statement that takes long goes on, because the server answers other connections. When
// the server is stopped, it ends.
func TestAStatementEndsOnlyIfTheServerDoesNotAnswer(t *testing.T) {
	usualStalls(t, 100*time.Millisecond)
	server, dsn, _ := newFleet(t)
	s := Settings{DSN: dsn + " connect_timeout=5"}
	conn, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "SELECT pg_sleep(1)"); err != nil {
		t.Errorf("a statement of a second: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT pg_sleep(60)"); err == nil || ctx.Err() == nil {
		t.Errorf("a canceled statement: %v, %v", err, ctx.Err())
	}

	if conn, err = s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	server.Hang(t)
	_, err = conn.Exec(t.Context(), "SELECT 1")
	if !errors.Is(err, errStalled) || Explain(err).Error() != errStalled.Error() {
		t.Errorf("a statement of a stopped server: %v", err)
	}
}

// A sender whose server stops in the middle of a transaction tries again, and sends
// everything once when the server goes on.
func TestASenderOutlivesAServerThatIsStopped(t *testing.T) {
	usualStalls(t, 100*time.Millisecond)
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn+" connect_timeout=3", "mx1")
	log := &logged{}
	h.sender.Log = slog.New(slog.NewTextHandler(log, nil))
	h.read(t, refused("jane", 0))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.sender.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	stored := func(want string) func() bool {
		return func() bool { return server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces") == want+"\n" }
	}
	eventually(t, "the first failure", stored("1"))
	resume := server.Hang(t)
	h.read(t, refused("john", 1))
	eventually(t, "a warning", func() bool { return strings.Contains(log.String(), "does not answer") })
	resume()
	eventually(t, "the second failure", stored("2"))
	eventually(t, "word that it sends", func() bool { return strings.Contains(log.String(), "sending again") })
}

// A host that is suspended while others wait for it is given up, and sends again later.
func TestASuspendedSenderDoesNotStopTheOthers(t *testing.T) {
	defer func(usual string) { clockLimit = usual }(clockLimit)
	server, dsn, database := newFleet(t)
	suspended, other := newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")
	suspended.read(t, refused("jane", 0))
	suspended.send(t)
	suspended.sender.source.path = suspended.sender.Database
	if err := suspended.sender.source.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.read(t, refused("john", 1))
	begun := time.Now()
	clockLimit = "300ms"
	conn, err := suspended.sender.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = inTransaction(t.Context(), conn, func(tx *transaction) error {
		if _, err := suspended.sender.selectInstance(tx); err != nil {
			return err
		}
		if err := tx.takeClock(1, 0); err != nil {
			return err
		}
		clockLimit = "5min"
		other.send(t) // which waits until the transaction is ended
		return nil
	})
	if err == nil || time.Since(begun) > 30*time.Second {
		t.Errorf("the transaction ended with %v after %v", err, time.Since(begun))
	}
	suspended.read(t, refused("mary", 2))
	suspended.send(t)
	if got := server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces"); got != "3\n" {
		t.Errorf("%s failures are in the fleet, want 3", got)
	}
}
