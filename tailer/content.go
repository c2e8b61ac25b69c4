package tailer

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"os"

	"github.com/nxadm/tail"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

// window is how many bytes are hashed at the start of a stream and before a
// position.
const window = 1024

// fit is how a file's content compares with a known stream.
type fit uint8

const (
	none   fit = iota
	prefix     // shorter than the stream, and alike so far as can be told
	whole      // holds all of the stream that was read, and perhaps more
)

// mayMatch tells at once of most streams that a file does not hold them, by the
// bytes with which the file begins: up to a window of them.
func (s *stream) mayMatch(begin []byte) bool {
	n := min(window, s.Offset)
	return int64(len(begin)) < n || hash(begin[:n]) == s.Head
}

// matches compares a file of some size with what was read of a stream.
func matches(s *bounce.Position, f io.ReaderAt, size int64) (fit, error) {
	if s.Offset == 0 {
		return whole, nil
	}
	if size < s.Offset {
		if size < min(window, s.Offset) {
			return prefix, nil // too short to tell
		}
		head, err := hashAt(f, 0, min(window, s.Offset))
		if err != nil || head != s.Head {
			return none, err
		}
		return prefix, nil
	}
	head, tail, err := hashes(f, s.Offset)
	if errors.Is(err, io.EOF) {
		return none, nil // truncated meanwhile
	}
	if err != nil || head != s.Head || tail != s.Tail {
		return none, err
	}
	return whole, nil
}

// hashes returns the Head and Tail of a position.
func hashes(f io.ReaderAt, offset int64) (head, tail uint64, err error) {
	n := min(window, offset)
	if head, err = hashAt(f, 0, n); err != nil {
		return 0, 0, err
	}
	tail, err = hashAt(f, offset-n, n)
	return head, tail, err
}

func hashAt(f io.ReaderAt, from, n int64) (uint64, error) {
	var buf [window]byte
	if read, err := f.ReadAt(buf[:n], from); read < int(n) {
		return 0, err
	}
	return hash(buf[:n]), nil
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// block is a run of whole lines.
type block struct {
	data    []byte
	end     int64  // the offset behind the last line
	scanned int64  // bytes behind end that hold no newline
	head    uint64 // of the position at end, where linesOf made the block
	tail    uint64
	tooLong int // lines left out
	// unterminated tells that the one line in data had no newline.
	unterminated bool
}

const blockSize = 512 << 10

// blockReader reads lines by whole blocks.
type blockReader struct {
	file     *io.SectionReader // up to where it is read
	maxLine  int
	complete bool // an unterminated last line counts
	pulse    *health.Heartbeat
}

// read returns the whole lines behind an offset, about one block of them. The
// first scanned bytes are known to hold no newline: when they are more than a
// line may have, the line is skipped without being read again.
func (r *blockReader) read(offset, scanned int64) (block, error) {
	b := block{end: offset}
	if scanned > int64(r.maxLine) {
		return r.skip(offset, scanned)
	}
	// One byte more than there is, so that the end is seen at once.
	buf := make([]byte, min(blockSize, max(0, r.file.Size()-offset)+1))
	n, err := readFull(r.file, buf, offset)
	if err != nil {
		return b, err
	}
	// NULs before a line are no part of it, however many a writer left that
	// went on at its old offset in a truncated file.
	if nuls := n - len(bytes.TrimLeft(buf[:n], "\x00")); nuls > 0 {
		b.end = offset + int64(nuls)
		if nuls == n {
			return b, nil
		}
		return r.read(b.end, 0)
	}
	for bytes.IndexByte(buf[:n], '\n') < 0 {
		if n > r.maxLine {
			return r.skip(offset, int64(n))
		}
		if n < len(buf) { // the end of the file
			if r.complete && n > 0 {
				b.data, b.end = append(buf[:n], '\n'), offset+int64(n)
			} else {
				b.scanned = int64(n)
			}
			return b, nil
		}
		buf = append(buf, make([]byte, blockSize)...)
		more, err := readFull(r.file, buf[n:], offset+int64(n))
		if err != nil {
			return b, err
		}
		n += more
	}
	end := bytes.LastIndexByte(buf[:n], '\n') + 1
	b.data, b.end = buf[:end], offset+int64(end)
	b.data, b.tooLong = dropLong(b.data, r.maxLine)
	return b, nil
}

// skip looks for the end of a line that is too long, block by block.
func (r *blockReader) skip(offset, scanned int64) (block, error) {
	buf := make([]byte, blockSize)
	for {
		n, err := readFull(r.file, buf, offset+scanned)
		if err != nil {
			return block{}, err
		}
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return block{end: offset + scanned + int64(i) + 1, tooLong: 1}, nil
		}
		scanned += int64(n)
		r.pulse.Beat()
		if n < len(buf) {
			if r.complete {
				return block{end: offset + scanned, tooLong: 1}, nil
			}
			return block{end: offset, scanned: scanned}, nil
		}
	}
}

// dropLong leaves out the lines over the limit, which is rare.
func dropLong(data []byte, limit int) (kept []byte, dropped int) {
	if len(data) <= limit {
		return data, 0
	}
	for line := range bytes.Lines(data) {
		if len(bytes.TrimLeft(line, "\x00")) > limit {
			dropped++
		} else {
			kept = append(kept, line...)
		}
	}
	return kept, dropped
}

// readFull reads until buf is full or the file ends.
func readFull(f io.ReaderAt, buf []byte, offset int64) (int, error) {
	n, err := f.ReadAt(buf, offset)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// lastNewline returns the offset behind the last newline of a file.
func lastNewline(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		from := max(0, end-int64(len(buf)))
		n, err := readFull(f, buf[:end-from], from)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// liveLimit is how much may wait for nxadm/tail to read it; more goes by
// blocks, which cost less than single lines.
const liveLimit = 2 << 10

// readLive has nxadm/tail read the whole lines between an offset and a limit.
// It opens our own descriptor, so that it cannot see another file, and neither
// watches nor reopens anything.
func readLive(f *os.File, offset, limit int64) (block, error) {
	b := block{end: offset}
	t, err := tail.TailFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), tail.Config{
		Location:      &tail.SeekInfo{Offset: offset, Whence: io.SeekStart},
		MustExist:     true,
		CompleteLines: true,
		Logger:        log.New(io.Discard, "", 0),
	})
	if err != nil {
		return b, err
	}
	for line := range t.Lines {
		end := b.end + int64(len(line.Text)) + 1
		switch {
		case line.Err != nil:
			err = line.Err
		case end > limit:
			t.Kill(nil) // a writer may be as fast as we are
		case line.SeekInfo.Offset == end:
			b.data = append(append(b.data, line.Text...), '\n')
			b.end = end
		}
	}
	if waited := t.Wait(); err == nil && waited != nil {
		err = waited
	}
	return b, err
}
