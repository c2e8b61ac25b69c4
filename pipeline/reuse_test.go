package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// described is a store that describes all that is saved, while it is valid.
type described []string

func (s *described) Begin(context.Context) (pipeline.Tx, error) { return s, nil }

func (s *described) Add(b *bounce.Batch) (int, error) {
	note := func(format string, values ...any) { *s = append(*s, fmt.Sprintf(format, values...)) }
	var r bounce.Record
	for i := range b.Records.Len() {
		b.Records.Read(i, &r)
		note("record %+v", r)
	}
	for _, one := range b.Successes {
		provider := ""
		if one.Provider > 0 {
			provider = b.Providers[one.Provider-1]
		}
		note("success %+v of %s by %s", one, b.Domains[one.Domain], provider)
	}
	slices.SortFunc(b.Queue, func(a, b bounce.QueueEntry) int {
		return strings.Compare(fmt.Sprint(a.Host, a.MTA, a.QueueID), fmt.Sprint(b.Host, b.MTA, b.QueueID))
	})
	for _, entry := range b.Queue {
		note("queue %+v data %s", entry, entry.Data)
	}
	for _, at := range b.Positions {
		note("parser %+v %s", at.Parser.Anchor, at.Parser.Data)
	}
	for _, u := range b.Unparsed {
		note("unparsed %+v", u)
	}
	return b.Records.Len(), nil
}

func (*described) Commit() error   { return nil }
func (*described) Rollback() error { return nil }

// TestNoPartOfAReleasedChunkIsUsed overwrites each chunk when it is released.
func TestNoPartOfAReleasedChunkIsUsed(t *testing.T) {
	var logs []string
	for _, pattern := range []string{"../logparse/testdata/*.log", "../testdata/logs/*/*/*.gz"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, found...)
	}
	for _, log := range logs {
		if strings.HasSuffix(log, ".tsv.gz") {
			continue
		}
		t.Run(strings.TrimPrefix(log, "../"), func(t *testing.T) {
			t.Parallel()
			var content []byte
			var err error
			if strings.HasSuffix(log, ".gz") {
				content, err = io.ReadAll(open(t, log))
			} else {
				content, err = os.ReadFile(log)
			}
			if err != nil {
				t.Fatal(err)
			}
			want, _ := saved(t, content, false)
			got, released := saved(t, content, true)
			if released == 0 || len(want) == 0 {
				t.Fatalf("%d chunks were released, %d rows saved", released, len(want))
			}
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("row %d of %d differs from that of chunks which are not overwritten:\n%.2000s\nwant\n%.2000s",
						i, len(want), got[min(i, len(got)-1)], want[min(i, len(want)-1)])
				}
			}
		})
	}
}

// saved imports a log in chunks of a few lines, and returns what was saved. If
// overwrite is set, each chunk is overwritten when it is released.
func saved(t *testing.T, content []byte, overwrite bool) (rows []string, released int) {
	t.Helper()
	judge, err := classify.New("")
	if err != nil {
		t.Fatal(err)
	}
	anchor := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var store described
	done := make(chan struct{}, len(content)+1)
	p := &pipeline.Pipeline{
		Source: func(ctx context.Context, out chan<- bounce.Chunk) error {
			for lines := range slices.Chunk(slices.Collect(strings.Lines(string(content))), 7) {
				data := []byte(strings.Join(lines, ""))
				c := bounce.Chunk{Data: text.Own(data), Position: bounce.Position{Stream: 1}}
				if overwrite {
					c.Release = func() {
						for i := range data {
							data[i] = '#'
						}
						done <- struct{}{}
					}
				}
				select {
				case out <- c:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		},
		NewParser: func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) {
			return logparse.New(logparse.Options{Zone: time.UTC, Anchor: anchor})
		},
		Anchor:     func(*bounce.Chunk) time.Time { return anchor },
		Queue:      queue.New(),
		Classifier: func() pipeline.Classifier { return judge },
		Begin:      store.Begin,
		Log:        slog.New(slog.DiscardHandler),
		Limits:     pipeline.Limits{FlushInterval: time.Hour, BatchRecords: 100, TxRecords: 1 << 20},
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store, len(done)
}
