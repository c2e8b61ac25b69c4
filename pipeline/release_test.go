package pipeline_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

type noVerdicts struct{}

func (noVerdicts) Verdict(*bounce.Delivery) bounce.Verdict { panic("a success is not classified") }

func (noVerdicts) Provider(string) string { return "" }

// A success by pipe waits for a second message of a content filter. If none comes, it
// is stored: while a log is followed, after queue.Wait by the clock, although no line
// arrives; at the end of an import immediately.
func TestASuccessThatWaitedIsStored(t *testing.T) {
	for name, limits := range map[string]pipeline.Limits{
		"a followed log": {},
		"an import":      {FlushInterval: time.Second, TxRecords: 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stored atomic.Int32
				lines := make(chan bounce.Chunk)
				p := following(lines, &txStore{add: func(b *bounce.Batch) error {
					stored.Add(int32(len(b.Successes)))
					return nil
				}})
				p.Limits = limits
				p.Queue = queue.New()
				p.Classifier = func() pipeline.Classifier { return noVerdicts{} }
				p.NewParser = func(_ *bounce.Chunk, state bounce.ParserState) (pipeline.Parser, error) {
					return logparse.New(logparse.Options{Anchor: state.Anchor})
				}
				done := make(chan error, 1)
				go func() { done <- p.Run(t.Context()) }()
				stamp := time.Now().Format(time.RFC3339)
				lines <- bounce.Chunk{Position: bounce.Position{Stream: 1}, Data: "" +
					stamp + " mx postfix/cleanup[3]: 4jY5lF27Tfz: message-id=<1@shop.example>\n" +
					stamp + " mx postfix/qmgr[1]: 4jY5lF27Tfz: from=<news@shop.example>, size=1, nrcpt=1 (queue active)\n" +
					stamp + " mx postfix/pipe[2]: 4jY5lF27Tfz: to=<v@example.com>, relay=filter, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered via filter service)\n" +
					stamp + " mx postfix/qmgr[1]: 4jY5lF27Tfz: removed\n"}
				expect := func(when string, want int32) {
					t.Helper()
					synctest.Wait()
					if got := stored.Load(); got != want {
						t.Errorf("%s: %d successes are stored, want %d", when, got, want)
					}
				}
				time.Sleep(queue.Wait - time.Second)
				expect("before the time is over", 0)
				time.Sleep(10 * time.Second)
				if limits.FlushInterval == 0 {
					expect("after it", 1)
				} else {
					expect("after it", 0)
				}
				close(lines)
				if err := <-done; err != nil {
					t.Error(err)
				}
				expect("at the end", 1)
			})
		})
	}
}
