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
	"slices"
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
			if in.file != nil {
				in.file.Close()
			}
		}
	}()
	var total int64
	for _, path := range o.Paths {
		in, err := o.open(path)
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
	for _, in := range inputs {
		if err := t.importFile(ctx, in, func(n int64) {
			if o.Progress != nil {
				o.Progress(done+n, total)
			}
		}); err != nil {
			return err
		}
		done += in.id.size
	}
	return nil
}

// input is a file to import.
type input struct {
	path   string
	file   *os.File // nil for standard input
	reader io.Reader
	id     fileID
	kind   archive
	anchor time.Time
}

func (o *ImportOptions) open(path string) (*input, error) {
	if path == "-" {
		r := bufio.NewReader(o.Stdin)
		head, err := r.Peek(6)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return &input{path: "standard input", reader: r, kind: kindOf(head), anchor: o.Now()}, nil
	}
	f, err := os.Open(path)
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
	in := &input{path: path, file: f, reader: f}
	if err == nil {
		in.id = idOf(info)
		if info.Mode().IsRegular() {
			in.kind, err = archiveKind(f)
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
	counted := &countingReader{r: in.reader}
	r, end, err := decompress(counted, in.kind)
	if err != nil {
		return fmt.Errorf("%s: %w; the archive is damaged or cut short: fetch it again, or leave it out", in.path, err)
	}
	defer end()
	s := t.importStream(in)
	var w rolling
	// The last line of a log that is still written may be half there: its rest
	// belongs to whoever follows the log.
	live := in.file != nil && in.kind == plain && t.o.Now().Sub(in.id.modified) < quiet
	err = linesOf(io.TeeReader(r, &w), t.o.MaxLine, func(b block) error {
		if live && b.unterminated {
			return nil
		}
		s.Offset = b.end
		s.Head, s.Tail = w.at(b.end)
		progress(counted.n)
		return t.send(ctx, s, b.data, b.tooLong)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w; the archive is damaged or cut short: what stood before the damage was taken, fetch it again and import it once more", in.path, err)
	}
	if in.kind != plain {
		s.Closed = true
		return t.send(ctx, s, nil, 0)
	}
	return nil
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
// line counts without its newline too.
func linesOf(r io.Reader, maxLine int, each func(block) error) error {
	var (
		rest     []byte // an unfinished line
		end      int64
		skipping bool // within a line that is too long
	)
	for {
		buf := make([]byte, len(rest)+blockSize)
		copy(buf, rest)
		n, err := io.ReadFull(r, buf[len(rest):])
		over := err == io.EOF || err == io.ErrUnexpectedEOF && isEnd(r)
		buf = buf[:len(rest)+n]
		at := bytes.LastIndexByte(buf, '\n') + 1
		b := block{data: buf[:at], end: end + int64(at)}
		rest = buf[at:]
		if at > 0 && skipping {
			first := bytes.IndexByte(b.data, '\n') + 1
			b.data, b.tooLong, skipping = b.data[first:], 1, false
		}
		var long int
		b.data, long = dropLong(b.data, maxLine)
		b.tooLong += long
		end = b.end
		if nuls := len(rest) - len(bytes.TrimLeft(rest, "\x00")); nuls > 0 && !skipping {
			rest, end = rest[nuls:], end+int64(nuls)
		}
		if len(rest) > maxLine && !over {
			skipping = true
		}
		if skipping {
			end += int64(len(rest))
			rest = nil
		}
		if at > 0 {
			if err := each(b); err != nil {
				return err
			}
		}
		if err != nil && !over {
			return err // what stood before the damage has been given
		}
		if !over {
			continue
		}
		if skipping {
			return each(block{end: end, tooLong: 1})
		}
		if len(rest) > 0 {
			return each(block{data: append(slices.Clone(rest), '\n'), end: end + int64(len(rest)), unterminated: true})
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
// first bytes, and enough of the last to find a window before a block's end.
type rolling struct {
	head []byte
	last []byte
	size int64
}

func (w *rolling) Write(p []byte) (int, error) {
	if room := window - len(w.head); room > 0 {
		w.head = append(w.head, p[:min(room, len(p))]...)
	}
	w.size += int64(len(p))
	w.last = append(w.last, p...)
	if keep := 2 * (blockSize + window); len(w.last) > 2*keep {
		w.last = append(w.last[:0], w.last[len(w.last)-keep:]...)
	}
	return len(p), nil
}

// at returns the Head and Tail of a position not far behind the last byte.
func (w *rolling) at(offset int64) (head, tail uint64) {
	n := min(window, offset)
	end := max(int64(len(w.last))-(w.size-offset), n)
	return hash(w.head[:n]), hash(w.last[end-n : end])
}

// countingReader counts what is read of a file, for the progress.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
