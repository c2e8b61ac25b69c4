package tailer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// ImportOptions say what Import reads.
type ImportOptions struct {
	// Paths are files, archives among them, and "-" for Stdin.
	Paths     []string
	Stdin     io.Reader
	Positions []bounce.Position
	Anchor    AnchorFunc
	MaxLine   int // bytes; DefaultMaxLine where it is 0
	// Progress is told how many bytes of the files were read, and of how many.
	Progress func(done, total int64)
	Log      *slog.Logger
	Now      func() time.Time
}

// Import reads files to their end, the oldest first, whatever was read of them
// before: a line read twice is one event. The positions that it sends let a
// daemon that is started later go on behind them. All files are opened before
// the first is read.
//
// A damaged archive is an error that names it; the lines before the damage
// have been sent by then, and no position of it.
func Import(ctx context.Context, o ImportOptions, out chan<- bounce.Chunk) error {
	if o.MaxLine == 0 {
		o.MaxLine = DefaultMaxLine
	}
	var inputs []*input
	defer func() {
		for _, in := range inputs {
			in.close()
		}
	}()
	var total int64
	for _, path := range o.Paths {
		in, err := o.open(ctx, path)
		if err != nil {
			return err
		}
		inputs = append(inputs, in)
		total += in.id.size
	}
	slices.SortStableFunc(inputs, func(a, b *input) int { return a.anchor.Compare(b.anchor) })

	t := &Tailer{o: Options{MaxLine: o.MaxLine, Log: o.Log, Now: o.Now, Positions: o.Positions}, out: out}
	for _, p := range o.Positions {
		t.next = max(t.next, p.Stream)
	}
	var done int64
	for i, in := range inputs {
		// One archive more than there are processors is decompressed at a time.
		for _, next := range inputs[i:min(len(inputs), i+1+runtime.GOMAXPROCS(0))] {
			next.begin()
		}
		if err := t.importFile(ctx, in, func(n int64) {
			if o.Progress != nil {
				o.Progress(done+n, total)
			}
		}); err != nil {
			return err
		}
		done += in.id.size
		in.close()
	}
	return nil
}

// input is a file to import.
type input struct {
	path   string
	file   *os.File // nil for standard input
	read   countingReader
	ahead  *readAhead // of an archive that has begun
	id     fileID
	kind   archive
	anchor time.Time
}

// begin starts to decompress an archive.
func (in *input) begin() {
	if in.kind != plain && in.ahead == nil {
		in.ahead = newReadAhead(in)
	}
}

// content returns what the file holds, decompressed.
func (in *input) content() io.Reader {
	if in.ahead != nil {
		return in.ahead
	}
	return &in.read
}

func (in *input) close() {
	if in.ahead != nil {
		in.ahead.Close()
		in.ahead = nil
	}
	if in.file != nil {
		in.file.Close()
	}
}

func (o *ImportOptions) open(ctx context.Context, path string) (*input, error) {
	if path == "-" {
		r := bufio.NewReader(readUntil(ctx, o.Stdin))
		head, err := r.Peek(6)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return &input{path: "standard input", read: countingReader{r: r}, kind: kindOf(head), anchor: o.Now()}, nil
	}
	f, err := until(ctx, func() (*os.File, error) { return os.Open(path) })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist; check the spelling, or list the folder", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s may not be read by this user; run as root or as a member of the group that owns it (often adm)", path)
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder; name the log files in it", path)
	}
	in := &input{path: path, file: f, read: countingReader{r: f}}
	if err == nil {
		in.id = idOf(info)
		if info.Mode().IsRegular() {
			in.kind, err = archiveKind(f)
		} else {
			in.read.r = readUntil(ctx, f)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	in.anchor = info.ModTime()
	if o.Anchor != nil && info.Mode().IsRegular() {
		open := openPlain(path)
		if in.kind != plain {
			open = openArchive(path, in.kind)
		}
		in.anchor = o.Anchor(open, in.id.size, info.ModTime())
	}
	return in, nil
}

func (t *Tailer) importFile(ctx context.Context, in *input, progress func(int64)) error {
	s := t.importStream(in)
	err := linesOf(in.content(), t.o.MaxLine, func(b block) error {
		if b.unterminated && !t.ended(ctx, in, b.end) {
			return nil
		}
		s.Offset, s.Head, s.Tail = b.end, b.head, b.tail
		progress(in.read.n.Load())
		return t.send(ctx, s, bounce.Chunk{Data: string(b.data), TooLong: b.tooLong})
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w; the archive is damaged or cut short: what stood before the damage was taken, fetch it again and import it once more", in.path, err)
	}
	if in.kind != plain {
		s.Closed = true
		return t.send(ctx, s, bounce.Chunk{})
	}
	return nil
}

// ended reports whether the last line of a file, which has no newline, is whole.
// That of a log that is still written may be half there, and its rest belongs to
// whoever follows the log: it counts once nothing has come for a while.
func (t *Tailer) ended(ctx context.Context, in *input, size int64) bool {
	wait := min(quiet, quiet-t.o.Now().Sub(in.id.modified))
	if in.file == nil || in.kind != plain || wait <= 0 {
		return true
	}
	t.o.Log.Info("waiting for the end of the last line", "path", in.path, "for", wait.Round(time.Second))
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return false
	}
	info, err := in.file.Stat()
	return err == nil && info.Size() == size && info.ModTime().Equal(in.id.modified)
}

// importStream returns the stream under which a file's position is kept: its
// own from before, as long as the file is the same, or a new one.
func (t *Tailer) importStream(in *input) *stream {
	for _, p := range t.o.Positions {
		s := &stream{Position: p}
		if in.file == nil || in.kind != plain || p.Device != in.id.device || p.Inode != in.id.inode || p.Cursor != "" {
			continue
		}
		if m, err := s.matches(in.file, in.id.size); err == nil && m == whole {
			s.Parser = nil // read from its start
			s.Anchor = in.anchor
			return s
		}
	}
	t.next++
	return &stream{Position: bounce.Position{
		Stream: t.next, Source: in.path, Path: in.path, Device: in.id.device, Inode: in.id.inode, Anchor: in.anchor,
	}}
}

// linesOf gives the content of a reader as blocks of whole lines. The last
// line counts without its newline too. A block is only valid during the call of
// each.
func linesOf(r io.Reader, maxLine int, each func(block) error) error {
	var (
		read     []byte // reused for each block
		w        rolling
		rest     []byte // an unfinished line
		skipping bool   // within a line that is too long
	)
	// give tells the position behind what was consumed.
	give := func(b block) error {
		b.end = w.size
		b.head, b.tail = w.hashes()
		return each(b)
	}
	for {
		read = slices.Grow(read[:0], len(rest)+blockSize)
		buf := read[:len(rest)+blockSize]
		copy(buf, rest)
		n, err := io.ReadFull(r, buf[len(rest):])
		over := err == io.EOF || err == io.ErrUnexpectedEOF && isEnd(r)
		buf = buf[:len(rest)+n]
		at := bytes.LastIndexByte(buf, '\n') + 1
		b := block{data: buf[:at]}
		w.advance(b.data)
		rest = append(rest[:0], buf[at:]...)
		if at > 0 && skipping {
			first := bytes.IndexByte(b.data, '\n') + 1
			b.data, b.tooLong, skipping = b.data[first:], 1, false
		}
		var long int
		b.data, long = dropLong(b.data, maxLine)
		b.tooLong += long
		if at > 0 {
			if err := give(b); err != nil {
				return err
			}
		}
		if nuls := len(rest) - len(bytes.TrimLeft(rest, "\x00")); nuls > 0 && !skipping {
			w.advance(rest[:nuls])
			rest = rest[nuls:]
		}
		if len(rest) > maxLine && !over {
			skipping = true
		}
		if skipping {
			w.advance(rest)
			rest = rest[:0]
		}
		if err != nil && !over {
			return err // what stood before the damage has been given
		}
		if !over {
			continue
		}
		w.advance(rest)
		if skipping {
			return give(block{tooLong: 1})
		}
		if len(rest) > 0 {
			return give(block{data: append(slices.Clone(rest), '\n'), unterminated: true})
		}
		return nil
	}
}

// isEnd tells the end of a reader from an archive that is cut short, which
// both end a ReadFull early.
func isEnd(r io.Reader) bool {
	var b [1]byte
	_, err := r.Read(b[:])
	return err == io.EOF
}

// rolling keeps what the hashes of a position need of all that was read: the
// first bytes and the last.
type rolling struct {
	head []byte
	last []byte
	size int64
}

// advance takes the bytes that follow.
func (w *rolling) advance(raw []byte) {
	w.size += int64(len(raw))
	if room := window - len(w.head); room > 0 {
		w.head = append(w.head, raw[:min(room, len(raw))]...)
	}
	raw = raw[max(0, len(raw)-window):]
	if over := len(w.last) + len(raw) - window; over > 0 {
		w.last = append(w.last[:0], w.last[over:]...)
	}
	w.last = append(w.last, raw...)
}

// hashes returns the Head and Tail of the position behind them.
func (w *rolling) hashes() (head, tail uint64) { return hash(w.head), hash(w.last) }

// until runs what may block, and gives up when ctx ends: a named pipe without a
// writer cannot be opened, and one whose writer is silent not be read. It starts
// a goroutine and waits for it, unless that is blocked for good.
func until[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// readUntil returns a reader of what may block that ends when ctx does.
func readUntil(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		return until(ctx, func() (int, error) { return r.Read(p) })
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// countingReader counts what is read of a file, for the progress.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
