package daemon

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

// firstReading is the progress of a daemon that starts for the first time, until all that
// its logs held then is saved.
type firstReading struct {
	sent   <-chan int   // receives how many chunks were read; nil if this is no first start
	look   *time.Ticker // when progress is looked at; stopped likewise
	chunks int64        // what sent gave, or -1
	lines  int64        // of these chunks, or -1 until all are parsed
}

func (s *session) firstReading() *firstReading {
	f := &firstReading{sent: s.s.caughtUp, look: time.NewTicker(2 * time.Second), chunks: -1, lines: -1}
	if f.sent == nil || len(s.s.positions) > 0 {
		f.sent = nil
		f.look.Stop()
	}
	return f
}

// saved reports whether all is saved. That may take a while after all was read, on a busy
// machine or a full disk for example.
func (f *firstReading) saved(p *pipeline.Progress) bool {
	if f.lines < 0 && f.chunks >= 0 && p.Chunks.Load() >= f.chunks {
		f.lines = p.Lines.Load()
	}
	return f.lines >= 0 && p.Saved.Load() >= f.lines
}

// showReading shows the progress of the first reading.
func (s *session) showReading() {
	status := s.status() + "; reading what was there at the start"
	notifySystemd(s.log, status)
	s.show(strings.TrimPrefix(status, "STATUS="))
}

// endReading ends the display of progress, and logs what was found in so many lines.
func (s *session) endReading(ctx context.Context, lines int64) {
	s.show("")
	if lines > 0 {
		logSummary(ctx, s.log, s.c.Database)
	}
	notifySystemd(s.log, s.status())
}

// show prints a line of progress.
func (s *session) show(line string) {
	if s.d.Show != nil {
		s.d.Show(line)
	}
}

// logSummary logs what a first start found.
func logSummary(ctx context.Context, log *slog.Logger, path string) {
	r, err := query.OpenReader(ctx, path)
	if err != nil {
		log.Debug("cannot summarize the database", "error", err)
		return
	}
	defer r.Close()
	f, err := report.Summarize(ctx, r)
	if err != nil {
		log.Debug("cannot summarize the database", "error", err)
		return
	}
	log.Info("the logs have been read; see bouncetail recipients --state bad",
		"bad_addresses", f.States["bad"], "failing_addresses", f.States["failing"],
		"bad_by_reason", f.LogReasons(), "attempts_failed_by_your_own_problems", f.SenderAttempts(), "own_problems", f.LogProblems())
}
