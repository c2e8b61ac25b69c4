package tailer

import (
	"errors"
	"hash/fnv"
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// window is the number of bytes hashed at the start of a stream and before a position.
const window = 1024

// match is how the content of a file compares with a known stream.
type match uint8

const (
	none   match = iota
	prefix       // shorter than the stream, and equal as far as known
	whole        // holds everything read of the stream, and perhaps more
)

// mayMatch rules out most streams by the first bytes of a file, up to a window of
// them.
func mayMatch(s *bounce.Position, head []byte) bool {
	n := min(window, s.Offset)
	return int64(len(head)) < n || hash(head[:n]) == s.Head
}

// matches compares a file with what was read of a stream.
func matches(s *bounce.Position, f io.ReaderAt, size int64) (match, error) {
	if s.Offset == 0 {
		return whole, nil
	}
	if size < s.Offset {
		if size < min(window, s.Offset) {
			return prefix, nil // too short to decide
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
