package tailer

import (
	"bytes"
	"io"
	"slices"
)

// linesOf calls each with the content of a reader, as blocks of whole lines. A
// last line without a newline counts. The memory of a block is used again once it is
// released.
func linesOf(r io.Reader, maxLine int, free pool, each func(block) error) error {
	var (
		w        rolling
		rest     []byte // an unfinished line
		skipping bool   // within a line that is too long
	)
	give := func(b block) error {
		b.end = w.size
		b.head, b.tail = w.hashes()
		return each(b)
	}
	for {
		memory := free.get(len(rest) + blockSize)
		buf := memory
		copy(buf, rest)
		n, err := io.ReadFull(r, buf[len(rest):])
		over := err == io.EOF || err == io.ErrUnexpectedEOF && isEnd(r)
		buf = buf[:len(rest)+n]
		at := bytes.LastIndexByte(buf, '\n') + 1
		b := block{data: buf[:at], release: func() { free.put(memory) }}
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
			return err // the lines before the damage were given
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

// isEnd distinguishes the end of a reader from an archive that is cut short. Both
// end a ReadFull early.
func isEnd(r io.Reader) bool {
	var b [1]byte
	_, err := r.Read(b[:])
	return err == io.EOF
}

// rolling keeps what the hashes of a position need: the first and the last bytes
// that were read.
type rolling struct {
	head []byte
	last []byte
	size int64
}

// advance adds the bytes that follow.
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

// hashes returns the Head and Tail of the position behind the bytes.
func (w *rolling) hashes() (head, tail uint64) { return hash(w.head), hash(w.last) }
