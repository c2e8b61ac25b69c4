package pipeline_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// failing reads every line as a failure, of a message of its own.
type failing struct{ lines uint64 }

func (p *failing) Parse(block string, yield func(*bounce.Event)) int {
	n := strings.Count(block, "\n")
	for range n {
		p.lines++
		ev := bounce.Event{Kind: bounce.EventAttempt, Delivery: bounce.Delivery{QueueID: fmt.Sprint(p.lines), Recipient: "a@b.example", Outcome: bounce.Deferred}}
		binary.BigEndian.PutUint64(ev.ID[4:], p.lines)
		yield(&ev)
	}
	return n
}
func (p *failing) State() []byte                   { return fmt.Append(nil, p.lines) }
func (p *failing) TakeUnparsed() []bounce.Unparsed { return nil }

type noVerdict struct{}

func (noVerdict) Verdict(*bounce.Delivery) bounce.Verdict { return bounce.Verdict{} }

// A position is saved with all that was read before it and nothing else, also
// where batches are gathered, and what is gathered stays within its bound.
func TestBatchesAreGathered(t *testing.T) {
	const chunks, perChunk, limit, gather = 300, 10, 20, 100
	lines := make(chan bounce.Chunk)
	saved, pending, transactions, batches, remembered := 0, 0, 0, 0, 0
	p := following(lines, &batchStore{func(b *bounce.Batch) error {
		time.Sleep(time.Millisecond) // the reader is ahead
		batches++
		pending += b.Records.Len()
		if pending > gather+perChunk+limit {
			return fmt.Errorf("%d records in one transaction", pending)
		}
		if b.Partial {
			if len(b.Positions)+len(b.Queue)+len(b.Gaps) > 0 {
				return fmt.Errorf("a partial batch with %d positions, %d messages, %d gaps", len(b.Positions), len(b.Queue), len(b.Gaps))
			}
			return nil
		}
		saved += pending
		pending = 0
		transactions++
		remembered += len(b.Queue)
		at := b.Positions[0]
		if len(b.Positions) != 1 || at.Offset != int64(saved) || string(at.Parser.Data) != fmt.Sprint(saved) || remembered != saved {
			return fmt.Errorf("positions %+v and %d messages after %d records", b.Positions, remembered, saved)
		}
		return nil
	}})
	p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
	p.Queue = queue.New()
	p.Classifier = func() pipeline.Classifier { return noVerdict{} }
	p.Linger, p.Limit, p.Gather = time.Hour, limit, gather
	go func() {
		for i := range chunks {
			lines <- bounce.Chunk{Data: strings.Repeat("x\n", perChunk), Position: bounce.Position{Stream: 1, Offset: int64((i + 1) * perChunk)}}
		}
		close(lines)
	}()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if saved != chunks*perChunk || pending != 0 {
		t.Errorf("%d records saved and %d not, want %d", saved, pending, chunks*perChunk)
	}
	if transactions >= batches/2 {
		t.Errorf("%d transactions for %d batches", transactions, batches)
	}
}

type batchStore struct {
	save func(b *bounce.Batch) error
}

func (s *batchStore) Save(_ context.Context, b *bounce.Batch) (int, error) { return 0, s.save(b) }
func (s *batchStore) Temporary(error) bool                                 { return false }
