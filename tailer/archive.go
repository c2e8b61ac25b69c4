package tailer

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
)

// archive is how a log is compressed.
type archive uint8

const (
	plain archive = iota
	gz
	zst
	xzip
	bz2
)

// magics are the first bytes of each kind. Names are not reliable.
var magics = []struct {
	kind  archive
	magic string
}{{gz, "\x1f\x8b"}, {zst, "\x28\xb5\x2f\xfd"}, {xzip, "\xfd7zXZ\x00"}, {bz2, "BZh"}}

func archiveKind(f io.ReaderAt) (archive, error) {
	var buf [6]byte
	n, err := readFull(f, buf[:], 0)
	if err != nil {
		return plain, err
	}
	return kindOf(buf[:n]), nil
}

func kindOf(head []byte) archive {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	return plain
}

// decompress returns the content behind a reader.
func decompress(r io.Reader, kind archive) (io.Reader, func(), error) {
	buffered := bufio.NewReaderSize(r, 256<<10)
	switch kind {
	case gz:
		z, err := gzip.NewReader(buffered)
		return z, func() {}, err
	case zst:
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case xzip:
		z, err := xz.NewReader(newBoundedXZ(buffered))
		return z, func() {}, err
	case bz2:
		return bzip2.NewReader(buffered), func() {}, nil
	case plain:
	}
	return buffered, func() {}, nil
}

// openContent opens a file and returns its content, decompressed. A plain file is
// an *os.File. It is an error if the path leads to another file than id.
func openContent(path string, kind archive, id fileID) (io.ReadCloser, error) {
	f, err := openNow(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && idOf(info).file() != id.file() {
		err = errReplaced
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if kind == plain {
		return f, nil
	}
	r, end, err := decompress(f, kind)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, closer(func() error { end(); return f.Close() })}, nil
}

type closer func() error

func (c closer) Close() error { return c() }

// errDamaged means that an archive does not decompress to its end.
var errDamaged = errors.New("damaged, or still being written")

// visitArchive sends the content of an archive after the position of its stream. It
// reads the archive twice: one that does not decompress to its end, because it is being
// written, is skipped and tried again.
func (t *Tailer) visitArchive(ctx context.Context, source int, c candidate, f *os.File, kind archive) error {
	s, size, err := t.streamInArchive(ctx, c, kind)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) || outOfDescriptors(err) {
			return err
		}
		if isTooLarge(err) {
			return unreadable(err)
		}
		return fmt.Errorf("decompress: %w: %w", errDamaged, err)
	}
	if s == nil && size > 0 {
		s = t.newStream(source, c, kind)
		if t.fromEnd {
			t.done[c.path] = c.id
			return nil
		}
	}
	if s != nil && size > s.Offset {
		if err := t.sendArchive(ctx, s, c, kind); err != nil {
			return err
		}
	}
	if s != nil {
		s.size, s.scannedAt = max(s.size, s.Offset), t.o.Now()
	}
	if s != nil && (!s.in(c.id) || !s.Closed) {
		s.Path, s.Device, s.Inode, s.Closed = c.path, c.id.device, c.id.inode, true
		if err := t.send(ctx, s, bounce.Chunk{}); err != nil {
			return err
		}
	}
	t.done[c.path] = c.id
	return nil
}

// streamInArchive returns the known stream that an archive holds, and the size of
// its content. It decompresses all of it, unless the archive was read to its end
// before and not written since: another archive may have got its inode.
func (t *Tailer) streamInArchive(ctx context.Context, c candidate, kind archive) (*stream, int64, error) {
	content, err := openContent(c.path, kind, c.id)
	if err != nil {
		return nil, 0, err
	}
	defer content.Close()
	// The streams with the same beginning; the Tail of each is compared at its
	// Offset.
	var alike []*stream
	r := &slowReader{content, t.meanwhile(ctx, func(s *stream) bool { return slices.Contains(alike, s) })}
	head := make([]byte, window)
	n, err := io.ReadFull(r, head)
	if short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && isEnd(r); err != nil && !short {
		return nil, 0, err
	}
	head = head[:n]
	for _, s := range t.streams {
		if m := min(window, s.Offset); m > 0 && s.Cursor == "" && int64(n) >= m && hash(head[:m]) == s.Head {
			if s.Closed && s.in(c.id) && !c.id.modified.After(s.UpdatedAt) {
				return s, s.Offset, nil
			}
			alike = append(alike, s)
		}
	}
	slices.SortFunc(alike, func(a, b *stream) int { return int(a.Offset - b.Offset) })
	var found *stream
	last := slices.Clone(head) // the window before size
	size := int64(n)
	check := func() {
		for len(alike) > 0 && alike[0].Offset <= size {
			s := alike[0]
			alike = alike[1:]
			end := int64(len(last)) - (size - s.Offset)
			if m := min(window, s.Offset); end >= m && hash(last[end-m:end]) == s.Tail {
				found = s
			}
		}
	}
	check()
	buf := make([]byte, 64<<10)
	for n == window {
		m, err := r.Read(buf)
		last = append(last, buf[:m]...)
		size += int64(m)
		check()
		if len(last) > window {
			last = slices.Delete(last, 0, len(last)-window)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
	}
	return found, size, nil
}

// sendArchive sends the content of an archive after the stream's position.
func (t *Tailer) sendArchive(ctx context.Context, s *stream, c candidate, kind archive) error {
	content, err := openContent(c.path, kind, c.id)
	if err != nil {
		return err
	}
	defer content.Close()
	r := &slowReader{content, t.meanwhile(ctx, func(other *stream) bool { return other == s })}
	return linesOf(r, t.o.MaxLine, newPool(), func(b block) error {
		if b.end <= s.Offset {
			return nil
		}
		if from := b.end - int64(len(b.data)); b.tooLong == 0 && from < s.Offset {
			b.data = b.data[min(int64(len(b.data)), s.Offset-from):]
		}
		s.Offset, s.Head, s.Tail = b.end, b.head, b.tail
		return t.send(ctx, s, bounce.Chunk{Data: text.Own(b.data), Release: b.release, TooLong: b.tooLong, More: len(b.data) > blockSize/2})
	})
}
