package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// kept is a store that keeps the batches.
type kept []*bounce.Batch

func (k *kept) Save(_ context.Context, b *bounce.Batch) (int, error) {
	*k = append(*k, b)
	return b.Records.Len(), nil
}

func (*kept) Temporary(error) bool { return false }

// record returns the first record that a log gives.
func record(t *testing.T, log string, h *address.Hasher) (r bounce.Record) {
	t.Helper()
	judge, err := classify.New("")
	if err != nil {
		t.Fatal(err)
	}
	var store kept
	p := &pipeline.Pipeline{
		Source: func(_ context.Context, out chan<- bounce.Chunk) error {
			out <- bounce.Chunk{Data: log, Position: bounce.Position{Stream: 1}}
			return nil
		},
		NewParser: func(*bounce.Chunk) (pipeline.Parser, error) {
			return logparse.New(logparse.Options{Zone: time.UTC})
		},
		Queue:      queue.New(),
		Classifier: func() pipeline.Classifier { return judge },
		Store:      &store,
		Hash:       h,
		Log:        slog.New(slog.DiscardHandler),
	}
	if err := p.Run(t.Context()); err != nil || len(store) != 1 {
		t.Fatalf("%d batches, %v", len(store), err)
	}
	store[0].Records.Read(0, &r)
	return r
}

func TestANameIsHiddenWhereTheVerdictAllows(t *testing.T) {
	h, err := address.NewHasher([]byte("an example of a key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ to, reply, want string }{
		{"jane@example.com", `550 5.0.0 unknown user: "jane"`, `550 5.0.0 unknown user: "HASH"`},
		{"jane@example.com", "550 <jane@example.com> over quota", "550 <HASH> over quota"},
		// Here the names are what the rules read.
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
			t.Errorf("to %s: %s is judged %+v, and %+v where addresses are hashed", c.to, c.reply, plain.Verdict, got.Verdict)
		}
		if got.ID == plain.ID {
			t.Errorf("to %s: the id of the line is stored as it is", c.to)
		}
	}
}
