package tailer

import "github.com/bouncetail/bouncetail/internal/text"

// pool keeps the memory of chunks that were released, so that the next chunks are read
// into memory that is still in the cache of the processor. A nil pool keeps nothing.
type pool chan []byte

// poolBlocks is how many blocks may be between the source and the parser.
const poolBlocks = 6

// spareSize is the space for an unfinished line before what is read next.
const spareSize = 16 << 10

func newPool() pool { return make(pool, poolBlocks) }

// get returns n bytes, which are not zeroed.
func (p pool) get(n int) []byte {
	if p == nil || n > blockSize+spareSize { // a long line
		return text.Buffer(n)
	}
	select {
	case b := <-p:
		return b[:n]
	default:
		return text.Buffer(blockSize + spareSize)[:n]
	}
}

// put takes memory of get back.
func (p pool) put(b []byte) {
	if cap(b) != blockSize+spareSize {
		return
	}
	select {
	case p <- b:
	default:
	}
}
