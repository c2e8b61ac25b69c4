package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/pipeline"
)

// lockedTx is a transaction that cannot be committed.
type lockedTx struct{}

func (lockedTx) Add(*bounce.Batch) (int, error) { return 0, nil }
func (lockedTx) Commit() error                  { return locked{} }
func (lockedTx) Rollback() error                { return nil }

// locked is a temporary error.
type locked struct{}

func (locked) Error() string   { return "database is locked" }
func (locked) Temporary() bool { return true }

// A command that waits for a transaction of a backlog, which then fails, says that it did
// nothing.
func TestACommandSaysThatItDidNothing(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	c := config.Default()
	c.Database = filepath.Join(t.TempDir(), "b.db")
	c.Rules = t.TempDir()
	stages, err := newStages(&c, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	p := stages.pipeline(func(ctx context.Context, out chan<- bounce.Chunk) error {
		for n := range 2 {
			line := fmt.Sprintf("2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3%d: to=<u@example.com>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)\n", n)
			c := bounce.Chunk{Data: line, Position: bounce.Position{Stream: 1, Offset: int64(n + 1)}, More: true}
			if n == 1 {
				c.Release = func() { close(sent) } // the transaction has a batch, which would be lost
			}
			out <- c
		}
		<-ctx.Done()
		return nil
	})
	p.Begin = func(context.Context) (pipeline.Tx, error) { return lockedTx{}, nil }
	p.Limits = pipeline.Limits{BatchRecords: 1, TxRecords: 10, FlushInterval: time.Hour} // nothing but the command ends the transaction
	s := &session{d: &Daemon{Settings: func() (config.Config, error) { return c, nil }}, c: c, log: log, s: stages, p: p}
	done := make(chan error, 1)
	running, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		done <- p.Run(t.Context())
	}()
	<-sent
	to := &Rebuild{}
	args, err := json.Marshal(command{settingsText(to.settings(&c)), to})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.handle(running, running, &control.Request{Command: "rebuild", Args: args, Log: log})
	if err == nil || !strings.HasPrefix(err.Error(), "nothing was done, because the daemon could not save") {
		t.Errorf("the command ended with %v, want that nothing was done", err)
	}
	if err := <-done; !errors.Is(err, pipeline.ErrReadAgain) {
		t.Errorf("the pipeline ended with %v, want that lines must be read again", err)
	}
}
