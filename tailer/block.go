package tailer

import (
	"bytes"
	"io"

	"github.com/bouncetail/bouncetail/internal/health"
)

// block holds whole lines.
type block struct {
	data    []byte
	release func() // gives the memory of data back; nil if it is not used again
	end     int64  // the offset behind the last line
	pending int64  // bytes behind end that hold no newline
	head    uint64 // of the position at end, where linesOf made the block
	tail    uint64
	tooLong int // lines dropped
	// unterminated means that the only line in data had no newline.
	unterminated bool
}

const blockSize = 512 << 10

// blockReader reads lines in large blocks.
type blockReader struct {
	file      *io.SectionReader // ends where reading ends
	maxLine   int
	complete  bool // a last line without a newline counts
	heartbeat *health.Heartbeat
	free      pool // nil if memory is not used again
}

// read returns whole lines after an offset, about one block. The first pending bytes
// are known to have no newline: if they exceed the length limit, the line is skipped
// without reading them again.
func (r *blockReader) read(offset, pending int64) (block, error) {
	b := block{end: offset}
	if pending > int64(r.maxLine) {
		return r.skip(offset, pending)
	}
	// One byte more than there is, so that the end is noticed.
	memory := r.free.get(int(min(blockSize, max(0, r.file.Size()-offset)+1)))
	buf := memory
	n, err := readFull(r.file, buf, offset)
	if err != nil {
		return b, err
	}
	// NULs in front of a line are not part of it; see stripNULs.
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
				b.pending = int64(n)
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
	b.release = func() { r.free.put(memory) }
	b.data, b.end = buf[:end], offset+int64(end)
	b.data, b.tooLong = dropLong(b.data, r.maxLine)
	return b, nil
}

// skip finds the end of a line that is too long, block by block.
func (r *blockReader) skip(offset, pending int64) (block, error) {
	buf := make([]byte, blockSize)
	for {
		n, err := readFull(r.file, buf, offset+pending)
		if err != nil {
			return block{}, err
		}
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return block{end: offset + pending + int64(i) + 1, tooLong: 1}, nil
		}
		pending += int64(n)
		r.heartbeat.Beat()
		if n < len(buf) {
			if r.complete {
				return block{end: offset + pending, tooLong: 1}, nil
			}
			return block{end: offset, pending: pending}, nil
		}
	}
}

// dropLong removes the lines over the limit, which are rare.
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
