package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/queue"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// kept is a store that keeps the batches in memory.
type kept []*bounce.Batch

func (k *kept) Begin(context.Context) (pipeline.Tx, error) { return k, nil }

func (k *kept) Add(b *bounce.Batch) (int, error) {
	*k = append(*k, b)
	return b.Records.Len(), nil
}

func (*kept) Commit() error   { return nil }
func (*kept) Rollback() error { return nil }

// record returns the first record of a log.
func record(t *testing.T, log string, h *privacy.Hasher) (r bounce.Record) {
	t.Helper()
	var store kept
	read(t, log, h, store.Begin)
	if len(store) != 1 {
		t.Fatalf("%d batches", len(store))
	}
	store[0].Records.Read(0, &r)
	return r
}

// read saves a log in a store.
func read(t *testing.T, log string, h *privacy.Hasher, begin func(context.Context) (pipeline.Tx, error)) {
	t.Helper()
	judge, err := classify.New("")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline.Pipeline{
		Source: func(_ context.Context, out chan<- bounce.Chunk) error {
			out <- bounce.Chunk{Data: log, Position: bounce.Position{Stream: 1}}
			return nil
		},
		NewParser: func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) {
			return logparse.New(logparse.Options{Zone: time.UTC})
		},
		Queue:      queue.New(),
		Classifier: func() pipeline.Classifier { return judge },
		Begin:      begin,
		Hash:       h,
		Log:        slog.New(slog.DiscardHandler),
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestALocalPartIsHashedUnlessTheVerdictDependsOnIt(t *testing.T) {
	h, err := privacy.NewHasher([]byte("an example of a key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ to, reply, want string }{
		{"jane@example.com", `550 5.0.0 unknown user: "jane"`, `550 5.0.0 unknown user: "HASH"`},
		{"jane@example.com", "550 <jane@example.com> over quota", "550 <HASH> over quota"},
		// The rules read these local parts.
		{"quota@example.com", "550 over quota", "550 over quota"},
		{"greylisted@example.com", "450 Greylisted <greylisted@example.com>", "450 Greylisted <HASH>"},
	} {
		line := fmt.Sprintf("2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3D: to=<%s>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (host mx.example.com[192.0.2.1] said: %s (in reply to RCPT TO command))\n", c.to, c.reply)
		got, plain := record(t, line, h), record(t, line, nil)
		hash := h.Address(c.to)
		if want := strings.ReplaceAll(c.want, "HASH", hash); got.Reply.Text != want || got.To.Normal != hash {
			t.Errorf("to %s: %s is stored as %s, %q; want %q", c.to, c.reply, got.To.Normal, got.Reply.Text, want)
		}
		if got.Verdict != plain.Verdict {
			t.Errorf("to %s: %s is classified as %+v, and as %+v if addresses are hashed", c.to, c.reply, plain.Verdict, got.Verdict)
		}
		if got.ID == plain.ID {
			t.Errorf("to %s: the id of the line is not hashed", c.to)
		}
	}
}

// The order of failures within a second of syslog must not depend on the key, or on
// whether there is one.
func TestTheStateDoesNotDependOnTheKey(t *testing.T) {
	line := func(queueID, reply string) string {
		return fmt.Sprintf("Nov 20 09:00:00 mx postfix/smtp[1]: %s: to=<jane@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (host mx.example.com[192.0.2.1] said: %s (in reply to RCPT TO command))\n", queueID, reply)
	}
	lines := []string{
		line("4A1B2C3D", "452 4.2.2 Mailbox full"),
		line("4A1B2C3E", "450 4.2.0 Greylisted, see https://postgrey.example"),
		line("4A1B2C3F", "450 4.2.0 Greylisted, see https://postgrey.example"),
	}
	state := func(h *privacy.Hasher, lines ...string) string {
		path := filepath.Join(t.TempDir(), "t.db")
		store, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		for _, line := range lines { // each in a separate transaction
			read(t, line, h, func(ctx context.Context) (pipeline.Tx, error) { return store.Begin(ctx) })
		}
		r, err := query.OpenReader(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		to := "jane@example.com"
		if h != nil {
			to = h.Address(to)
		}
		row, known, err := r.Recipient(t.Context(), to)
		if err != nil || !known {
			t.Fatalf("%s is known: %v, %v", to, known, err)
		}
		attempts, err := r.Attempts(t.Context(), bounce.Address{Normal: to}, 10)
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for _, a := range attempts {
			if a.ID == *row.LastBounceID {
				last = *a.QueueID
			}
		}
		return fmt.Sprintf("%s %s, last %s", row.State, row.Reason, last)
	}
	want := state(nil, lines...)
	if !strings.HasSuffix(want, "greylisted, last 4A1B2C3F") { // the category that sorts last
		t.Errorf("without a key: %s", want)
	}
	if got := state(nil, lines[2], lines[1], lines[0]); got != want {
		t.Errorf("in the other order %s, want %s", got, want)
	}
	if got := state(nil, strings.Join(lines, "")); got != want {
		t.Errorf("in one transaction %s, want %s", got, want)
	}
	for i := range 8 {
		h, err := privacy.NewHasher(fmt.Appendf(nil, "the key with number %d", i))
		if err != nil {
			t.Fatal(err)
		}
		if got := state(h, lines...); got != want {
			t.Errorf("with key %d %s, want %s", i, got, want)
		}
	}
}
