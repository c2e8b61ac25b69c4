package tailer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

// JournalPath is what a setting names in place of a file.
const JournalPath = "journal"

// journalStream is the stream's number among the positions: files count up from
// 1, and there is one journal.
const journalStream = -1

// Journal follows the mail facility of the machine's journal, through
// journalctl: the library would need cgo, and dies when the journal is rotated.
//
// It first catches up from the cursor to the end without -f, which implies the
// current boot, and then follows. Each entry is sent as a line of JSON, with
// the cursor behind it as the position.
type Journal struct {
	Index     int // of the source in the settings
	Positions []bounce.Position
	FromEnd   bool // skips what is there when there is no position yet
	MaxLine   int  // bytes; DefaultMaxLine where it is 0
	Log       *slog.Logger
	Retrying  *health.Retrying

	position bounce.Position
	ours     bool // the entry under the position's cursor was read by us
}

const readJournal = "read the journal"

// errEnded tells that journalctl ended though it was to follow.
var errEnded = errors.New("journalctl ended")

// Run follows until ctx ends. It waits for each journalctl that it starts.
func (j *Journal) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	if j.MaxLine == 0 {
		j.MaxLine = DefaultMaxLine
	}
	j.position = bounce.Position{Stream: journalStream, Source: JournalPath, Path: JournalPath}
	for _, p := range j.Positions {
		if p.Stream == journalStream {
			j.position = p
		}
	}
	j.ours = j.position.Offset > 0
	if j.Retrying == nil {
		j.Retrying = &health.Retrying{}
	}
	for {
		err := j.once(ctx, out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, errEnded) {
			j.Retrying.Report(j.Log, readJournal, err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once catches up, then follows until journalctl ends.
func (j *Journal) once(ctx context.Context, out chan<- bounce.Chunk) error {
	if j.position.Cursor == "" && j.FromEnd {
		if err := j.skipToEnd(ctx, out); err != nil {
			return err
		}
		j.FromEnd = false // what comes from now on is read
	}
	if err := j.read(ctx, out); err != nil {
		return err
	}
	j.Retrying.Report(j.Log, readJournal, nil)
	return j.read(ctx, out, "--follow", "--no-tail")
}

// read sends the entries behind the cursor.
func (j *Journal) read(ctx context.Context, out chan<- bounce.Chunk, more ...string) error {
	args := append([]string{"--output=json", "--all", "--quiet", "--no-pager"}, more...)
	if j.position.Cursor != "" {
		// --after-cursor with a match skips the first entry where the cursor's
		// own does not match: so from the cursor on, without its own.
		args = append(args, "--cursor="+j.position.Cursor)
	}
	cmd := exec.CommandContext(ctx, "journalctl", append(args, "SYSLOG_FACILITY=2")...)
	var said bytes.Buffer
	cmd.Stderr = &limited{&said, 4096}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("journalctl: %w; is systemd's journal on this machine? Name a log file as the source if not", err)
	}
	sendErr := j.send(ctx, pipe, out)
	if sendErr != nil {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
	}
	waitErr := cmd.Wait()
	switch {
	case sendErr != nil:
		return sendErr
	case waitErr != nil:
		return fmt.Errorf("journalctl: %w: %s; the user has to be a member of the group systemd-journal", waitErr, strings.TrimSpace(said.String()))
	case len(more) > 0:
		return errEnded
	}
	return nil
}

// send sends the lines of journalctl's output as they come, those together that
// have come together.
func (j *Journal) send(ctx context.Context, r io.Reader, out chan<- bounce.Chunk) error {
	lines := bufio.NewReaderSize(r, blockSize)
	var data, last []byte
	tooLong := 0
	var gaps []bounce.Gap
	for first := true; ; first = false {
		line, long, err := readLine(lines, j.MaxLine)
		if err == nil && first && j.ours && !long && cursorOf(line) != j.position.Cursor {
			g := bounce.Gap{At: time.Now(), Source: JournalPath, Path: JournalPath, Bytes: -1, Why: "the journal no longer holds the entry that was read last: it was made smaller meanwhile"}
			j.Log.Warn("a part of the log may have been destroyed before it could be read", gapAttrs(g))
			gaps = append(gaps, g)
		}
		if errors.Is(err, io.EOF) {
			return nil // what there was has been sent
		}
		if err != nil {
			return err
		}
		if long {
			tooLong++
		} else {
			data, last = append(data, line...), line
		}
		if lines.Buffered() > 0 && len(data) < blockSize {
			continue
		}
		cursor := cursorOf(last)
		if entry, _, _ := bytes.Cut(data, []byte{'\n'}); j.position.Cursor != "" && cursorOf(entry) == j.position.Cursor {
			data = data[min(len(entry)+1, len(data)):] // was sent before
		}
		if cursor == "" || len(data) == 0 && tooLong == 0 {
			data = nil
			continue
		}
		j.position.Cursor, j.position.UpdatedAt = cursor, time.Now()
		j.position.Offset += int64(len(data))
		j.ours = true
		select {
		case out <- bounce.Chunk{Data: string(data), Position: j.position, SourceIndex: j.Index, TooLong: tooLong, Gaps: gaps}:
		case <-ctx.Done():
			return ctx.Err()
		}
		data, tooLong, gaps = nil, 0, nil
	}
}

// skipToEnd takes all that is there as read.
func (j *Journal) skipToEnd(ctx context.Context, out chan<- bounce.Chunk) error {
	line, err := exec.CommandContext(ctx, "journalctl", "--output=json", "--all", "--quiet", "--no-pager", "--lines=1").Output()
	if err != nil {
		return fmt.Errorf("journalctl: %w", err)
	}
	if j.position.Cursor = cursorOf(line); j.position.Cursor == "" {
		return nil // it is empty
	}
	j.position.UpdatedAt = time.Now()
	select {
	case out <- bounce.Chunk{Position: j.position, SourceIndex: j.Index}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func cursorOf(line []byte) string {
	var entry struct {
		Cursor string `json:"__CURSOR"`
	}
	if json.Unmarshal(line, &entry) != nil {
		return ""
	}
	return entry.Cursor
}

// readLine returns a line with its newline, or that it is longer than the
// limit. The end of the input ends a line only with a newline.
func readLine(r *bufio.Reader, limit int) (line []byte, long bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if len(line)+len(piece) > limit {
			long, line = true, line[:0]
		}
		if !long {
			line = append(line, piece...)
		}
		if err == nil {
			return line, long, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, long, err
		}
	}
}

// limited keeps the first bytes that are written to it.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.w.Write(p[:n])
	return len(p), nil
}
