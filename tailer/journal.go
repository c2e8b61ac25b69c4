package tailer

import (
	"bufio"
	"bytes"
	"cmp"
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
	"github.com/bouncetail/bouncetail/internal/backoff"
	"github.com/bouncetail/bouncetail/internal/health"
)

// JournalPath is the path of the journal in the settings.
const JournalPath = "journal"

// journalStream is the number of the journal's stream. Streams of files are
// numbered from 1.
const journalStream = -1

// Journal follows the mail facility of systemd's journal with journalctl.
// libsystemd would need cgo, and its reader dies when the journal is rotated.
//
// Journal first reads from the cursor to the end without -f, which implies the
// current boot, and then follows. Each entry is sent as a line of JSON; its cursor
// is the position. Who wrote an entry is checked where it is parsed.
type Journal struct {
	Index     int // of the source in the settings
	Positions []bounce.Position
	FromEnd   bool // skips what is there if there is no position yet
	MaxLine   int  // bytes; DefaultMaxLine if it is 0
	Log       *slog.Logger
	Retrying  *health.Retrying

	silentFor time.Duration // the constant of that name if it is 0
	position  bounce.Position
	wasRead   bool // the entry at the cursor was sent, so the journal should still have it
}

const readJournal = "read the journal"

// journalctl -f ended, after it had followed for a while, or at once, which is a fault.
var (
	errEnded       = errors.New("journalctl --follow ended by itself")
	errEndedAtOnce = errors.New("journalctl --follow ended by itself, at once")
)

// errForeign means that journalctl printed lines that are no entries.
var errForeign = errors.New("is no entry of a journal")

const (
	// followsFor is how long journalctl -f runs at least.
	followsFor = time.Second
	// silentFor is how long journalctl may print nothing although it only reads what is
	// there.
	silentFor = time.Minute
)

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
	j.wasRead = j.position.Offset > 0
	if j.Retrying == nil {
		j.Retrying = &health.Retrying{}
	}
	pause := backoff.Backoff{Min: time.Second, Max: 30 * time.Second}
	for {
		err := j.once(ctx, out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ended := errors.Is(err, errEnded)
		if ended || errors.Is(err, errEndedAtOnce) {
			pause.Reset()
		}
		if !ended {
			j.Retrying.Report(j.Log, readJournal, err)
		}
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// once reads to the end and then follows until journalctl ends.
func (j *Journal) once(ctx context.Context, out chan<- bounce.Chunk) error {
	if j.position.Cursor == "" && j.FromEnd {
		if err := j.skipToEnd(ctx, out); err != nil {
			return err
		}
		j.FromEnd = false
	}
	if err := j.read(ctx, out); err != nil {
		return err
	}
	j.Retrying.Report(j.Log, readJournal, nil)
	begun := time.Now()
	err := j.read(ctx, out, "--follow", "--no-tail")
	if errors.Is(err, errEnded) && time.Since(begun) < followsFor {
		return errEndedAtOnce
	}
	return err
}

// read sends the entries behind the cursor.
func (j *Journal) read(ctx context.Context, out chan<- bounce.Chunk, more ...string) error {
	args := append([]string{"--output=json", "--all", "--quiet", "--no-pager"}, more...)
	if j.position.Cursor != "" {
		// --after-cursor with a match skips the first entry if the entry of the
		// cursor does not match. So read from the cursor on and drop its entry.
		args = append(args, "--cursor="+j.position.Cursor)
	}
	cmd := exec.CommandContext(ctx, "journalctl", append(args, "SYSLOG_FACILITY=2")...)
	var said bytes.Buffer
	cmd.Stderr = &limited{&said, 4096}
	cmd.WaitDelay = time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("journalctl: %w; if this machine has no systemd journal, name a log file as the source", err)
	}
	// A process that it has started may hold the pipe open.
	defer context.AfterFunc(ctx, func() { pipe.Close() })()
	silent := func() {
		j.Retrying.Report(j.Log, readJournal, errors.New("journalctl runs and prints nothing; what does it print when it is called by hand?"))
	}
	from := io.Reader(pipe)
	if len(more) == 0 {
		timer := time.AfterFunc(cmp.Or(j.silentFor, silentFor), silent)
		defer timer.Stop()
		from = &watchedReader{pipe, func() { timer.Stop() }}
	}
	sendErr := j.send(ctx, from, out)
	if sendErr != nil {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
	}
	waitErr := cmd.Wait()
	switch {
	case sendErr != nil:
		return sendErr
	case waitErr != nil:
		err := fmt.Errorf("journalctl: %w", waitErr)
		if text := strings.TrimSpace(said.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		if strings.Contains(said.String(), "permission") {
			err = fmt.Errorf("%w; the user must be a member of the group systemd-journal", err)
		}
		return err
	case len(more) > 0:
		return errEnded
	}
	return nil
}

// send sends the lines of journalctl's output, in one chunk those that came
// together. Lines that are no entries are an error at the end.
func (j *Journal) send(ctx context.Context, r io.Reader, out chan<- bounce.Chunk) error {
	lines := bufio.NewReaderSize(r, blockSize)
	var data, foreign []byte
	var gaps []bounce.Gap
	tooLong := 0
	first := j.wasRead // the first entry has to be that of the cursor
	for {
		line, long, err := readLine(lines, j.MaxLine)
		if errors.Is(err, io.EOF) {
			if foreign != nil {
				return fmt.Errorf("journalctl printed %.100q, which %w", foreign, errForeign)
			}
			return nil // all whole lines were sent
		}
		if err != nil {
			return err
		}
		if long {
			tooLong++
		}
		data = append(data, line...)
		if first {
			at := cursorOf(line)
			first = at == ""
			if at != "" && at != j.position.Cursor {
				gaps = append(gaps, j.vacuumed())
			}
		}
		if lines.Buffered() > 0 && len(data) < blockSize {
			continue
		}
		entries, cursor, other := lastEntry(data)
		if other != nil {
			foreign = other
		}
		chunk := bounce.Chunk{SourceIndex: j.Index, Data: string(j.behindCursor(entries)), TooLong: tooLong, Gaps: gaps}
		data = data[:0]
		if cursor = cmp.Or(cursor, j.position.Cursor); cursor == "" || chunk.Data == "" && tooLong == 0 {
			continue
		}
		if err := j.sendChunk(ctx, &chunk, cursor, out); err != nil {
			return err
		}
		tooLong, gaps = 0, nil
	}
}

// sendChunk sends a chunk whose last entry has a cursor.
func (j *Journal) sendChunk(ctx context.Context, c *bounce.Chunk, cursor string, out chan<- bounce.Chunk) error {
	j.position.Cursor, j.position.UpdatedAt = cursor, time.Now()
	j.position.Offset += int64(len(c.Data))
	j.wasRead = true
	c.Position = j.position
	select {
	case out <- *c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// vacuumed returns the gap where the entry of the cursor is gone.
func (j *Journal) vacuumed() bounce.Gap {
	g := bounce.Gap{
		At: time.Now(), Source: JournalPath, Path: JournalPath, Bytes: -1,
		Why: "the journal no longer holds the entry that was read last: it was made smaller meanwhile",
	}
	j.Log.Warn("a part of the log may have been destroyed before it could be read", gapAttrs(g))
	return g
}

// lastEntry cuts off what follows the last entry of some lines. It returns the cursor of
// this entry, and the first of the lines that it has cut off, or nil.
func lastEntry(lines []byte) (entries []byte, cursor string, foreign []byte) {
	for len(lines) > 0 {
		last := lines[bytes.LastIndexByte(lines[:len(lines)-1], '\n')+1:]
		if cursor := cursorOf(last); cursor != "" {
			return lines, cursor, foreign
		}
		foreign = bytes.Clone(bytes.TrimSpace(last))
		lines = lines[:len(lines)-len(last)]
	}
	return nil, "", foreign
}

// behindCursor drops the entry of the cursor, which was sent before, from the beginning
// of some lines.
func (j *Journal) behindCursor(lines []byte) []byte {
	first, rest, _ := bytes.Cut(lines, []byte{'\n'})
	if j.position.Cursor != "" && cursorOf(first) == j.position.Cursor {
		return rest
	}
	return lines
}

// watchedReader calls a function whenever it has read.
type watchedReader struct {
	r    io.Reader
	read func()
}

// Read implements io.Reader.
func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.read()
	return n, err
}

// skipToEnd marks all entries as read.
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

// readLine returns a line with its newline, or long if it is over the limit. At
// the end of the input, a line without a newline is dropped.
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

// limited keeps the first bytes written to it.
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
