package tailer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bouncetail/bouncetail/bounce"
)

// Pipes holds the pipes of a daemon open over its sessions, with the lines that were read
// and are not saved: a pipe can be read only once, and one that nobody holds open loses
// what is in it.
type Pipes struct {
	Stdin io.Reader // for StdinPath

	mu      sync.Mutex
	readers map[string]*pipeReader // by path
}

// pipeLines are lines that came together.
type pipeLines struct {
	data    string // whole lines
	tooLong int    // lines that were skipped
	end     int64  // offset after them
}

// pipeReader reads a pipe until it ends or is closed.
type pipeReader struct {
	file    *os.File // nil for standard input
	maxLine atomic.Int64
	lines   chan pipeLines // closed at the end
	err     error          // of the end; valid once lines is closed
	closed  chan struct{}

	unsaved []pipeLines // that a Pipe has sent; guarded by Pipes.mu
}

// open returns the reader of a pipe, and whether it was opened just now.
func (p *Pipes) open(path string, maxLine int) (r *pipeReader, isNew bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.readers[path]
	if old != nil && old.is(path) {
		old.maxLine.Store(int64(maxLine))
		return old, false, nil
	}
	r = &pipeReader{lines: make(chan pipeLines), closed: make(chan struct{})}
	r.maxLine.Store(int64(maxLine))
	from := p.Stdin
	if path != StdinPath {
		// Open it for writing too, so that it does not end when a writer closes it.
		if r.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				err = fmt.Errorf("%w; the user of the daemon must be able to read it and to write it, which keeps it open: chown bouncetail %s", err, path)
			}
			return nil, false, fmt.Errorf("named pipe: %w", err)
		}
		from = r.file
	}
	var at int64
	if old != nil { // another pipe has the name now
		old.close()
		if r.unsaved = old.unsaved; len(r.unsaved) > 0 {
			at = r.unsaved[len(r.unsaved)-1].end
		}
	}
	if p.readers == nil {
		p.readers = make(map[string]*pipeReader)
	}
	p.readers[path] = r
	go func() {
		defer close(r.lines)
		if err := r.read(from, at); err != nil {
			r.err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	return r, old == nil, nil
}

// is reports whether the path still names the pipe.
func (r *pipeReader) is(path string) bool {
	if r.file == nil {
		return true
	}
	named, err := os.Stat(path)
	if err != nil {
		return false
	}
	own, err := r.file.Stat()
	return err == nil && os.SameFile(named, own)
}

func (r *pipeReader) close() {
	close(r.closed)
	r.file.Close()
}

// Saved forgets the lines before positions that are stored.
func (p *Pipes) Saved(positions []bounce.StreamState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range positions {
		if r := p.readers[positions[i].Path]; r != nil && IsPipeStream(positions[i].Stream) {
			r.unsaved = slices.DeleteFunc(r.unsaved, func(l pipeLines) bool { return l.end <= positions[i].Offset })
		}
	}
}

// keep notes lines that are about to be sent.
func (p *Pipes) keep(r *pipeReader, l pipeLines) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.unsaved = append(r.unsaved, l)
}

// kept returns the lines that were sent and not saved.
func (p *Pipes) kept(r *pipeReader) []pipeLines {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(r.unsaved)
}

// CloseExcept closes the named pipes that are not among the paths, and forgets their
// lines. Standard input stays: another reader of it would get only a part.
func (p *Pipes) CloseExcept(paths ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, r := range p.readers {
		if r.file != nil && !slices.Contains(paths, path) {
			r.close()
			delete(p.readers, path)
		}
	}
}

// read sends the lines, in one piece those that came together.
func (r *pipeReader) read(from io.Reader, at int64) error {
	in := bufio.NewReaderSize(from, 64<<10)
	var data []byte
	tooLong := 0
	for {
		line, long, err := readLine(in, int(r.maxLine.Load()))
		if long && (err == nil || errors.Is(err, io.EOF)) {
			tooLong++
		} else if err == nil {
			data = append(data, line...)
		}
		// Not any bytes: the rest of a line may come much later.
		if waiting, _ := in.Peek(in.Buffered()); err == nil && bytes.IndexByte(waiting, '\n') >= 0 && len(data) < blockSize {
			continue
		}
		if len(data) > 0 || tooLong > 0 {
			at += int64(max(len(data), 1)) // so that lines that were skipped are saved too
			select {
			case r.lines <- pipeLines{data: stripNULs(string(data)), tooLong: tooLong, end: at}:
			case <-r.closed:
				return nil
			}
			data, tooLong = data[:0], 0
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
}
