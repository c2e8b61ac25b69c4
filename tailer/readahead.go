package tailer

import (
	"io"
	"sync"
)

// readAhead decompresses an archive in a goroutine, a few blocks ahead of its
// reader, because decompressing costs more than parsing. Close stops the goroutine
// and waits for it.
type readAhead struct {
	in     *Input
	blocks chan []byte
	free   chan []byte
	stop   chan struct{}
	done   sync.WaitGroup
	err    error // set before blocks is closed
	rest   []byte
	block  []byte // holds rest
}

// aheadBlocks is the largest number of blocks that wait for the reader.
const aheadBlocks = 4

func newReadAhead(in *Input) *readAhead {
	a := &readAhead{
		in:     in,
		blocks: make(chan []byte, aheadBlocks),
		free:   make(chan []byte, aheadBlocks+2),
		stop:   make(chan struct{}),
	}
	a.done.Go(a.run)
	return a
}

// run decompresses until the end, an error, or Close.
func (a *readAhead) run() {
	defer close(a.blocks)
	r, end, err := decompress(&a.in.read, a.in.kind)
	if err != nil {
		a.err = err
		return
	}
	defer end()
	for {
		var block []byte
		select {
		case block = <-a.free:
		default:
			block = make([]byte, blockSize)
		}
		n, err := io.ReadFull(r, block)
		if n > 0 {
			select {
			case a.blocks <- block[:n]:
			case <-a.stop:
				return
			}
		}
		switch {
		case err == io.ErrUnexpectedEOF && !isEnd(r):
			a.err = err // the archive is cut short
			return
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return
		case err != nil:
			a.err = err
			return
		}
	}
}

// Read returns what was decompressed, and then the error that ended it.
func (a *readAhead) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.block != nil {
			a.free <- a.block[:cap(a.block)]
			a.block = nil
		}
		block, open := <-a.blocks
		if !open {
			if a.err != nil {
				return 0, a.err
			}
			return 0, io.EOF
		}
		a.block, a.rest = block, block
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *readAhead) Close() error {
	close(a.stop)
	a.done.Wait()
	return nil
}
