package tailer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Input is an open file to import. It stays readable if it is renamed or deleted.
type Input struct {
	Path string
	// File describes the file, for finding its first stamp.
	File bounce.LogFile

	file    *os.File // nil for standard input
	read    countingReader
	ahead   *readAhead // of an archive that is being decompressed
	id      fileID
	kind    archive
	regular bool // a file that can be read again
}

// OpenInput opens a file, or stdin if path is "-".
func OpenInput(ctx context.Context, path string, stdin io.Reader) (*Input, error) {
	if path == StdinPath {
		return stdinInput(ctx, stdin)
	}
	f, err := until(ctx, func() (*os.File, error) { return os.Open(path) })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist; check the spelling", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s may not be read by this user; run as root or as a member of the group that owns it (often adm)", path)
	case err != nil:
		return nil, err
	}
	in, err := until(ctx, func() (*Input, error) { return newInput(ctx, path, f) })
	if err != nil {
		f.Close()
		return nil, err
	}
	if in.regular {
		in.File.Open = func() (io.ReadCloser, error) { return openContent(path, in.kind, in.id) }
	}
	return in, nil
}

// InputOf returns an input of a file that another process has opened, and may not be
// found by its path. If path is "-", the file is its standard input.
func InputOf(ctx context.Context, path string, f *os.File) (*Input, error) {
	if path == StdinPath {
		return stdinInput(ctx, f)
	}
	in, err := until(ctx, func() (*Input, error) { return newInput(ctx, path, f) })
	if err != nil {
		return nil, err
	}
	if in.regular {
		file := readAtUntil(ctx, f)
		in.read.r = io.NewSectionReader(file, 0, math.MaxInt64) // not from where the other process has read to
		in.File.Open = func() (io.ReadCloser, error) {
			content := io.NewSectionReader(file, 0, in.id.size)
			if in.kind == plain {
				return struct {
					io.ReadSeeker
					io.Closer
				}{content, closer(func() error { return nil })}, nil
			}
			r, end, err := decompress(content, in.kind)
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{r, closer(func() error { end(); return nil })}, nil
		}
	}
	return in, nil
}

func stdinInput(ctx context.Context, stdin io.Reader) (*Input, error) {
	r := bufio.NewReader(readUntil(ctx, stdin))
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return &Input{Path: "standard input", File: bounce.LogFile{Modified: time.Now()}, read: countingReader{r: r}, kind: kindOf(head)}, nil
}

// newInput describes an open file.
func newInput(ctx context.Context, path string, f *os.File) (*Input, error) {
	in := &Input{Path: path, file: f, read: countingReader{r: readUntil(ctx, f)}}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory; name the log files in it", path)
	}
	if err != nil {
		return nil, err
	}
	in.id, in.regular = idOf(info), info.Mode().IsRegular()
	in.File = bounce.LogFile{Modified: info.ModTime()}
	if !in.regular {
		return in, nil
	}
	in.File.Size = in.id.size
	in.kind, err = archiveKind(f)
	return in, err
}

// Close closes the file and stops decompressing it.
func (in *Input) Close() {
	if in.ahead != nil {
		in.ahead.Close()
		in.ahead = nil
	}
	if in.file != nil {
		in.file.Close()
	}
}

// begin starts to decompress an archive.
func (in *Input) begin() {
	if in.kind != plain && in.ahead == nil {
		in.ahead = newReadAhead(in)
	}
}

// content returns the decompressed content.
func (in *Input) content() io.Reader {
	if in.ahead != nil {
		return in.ahead
	}
	return &in.read
}

// logFile describes a regular file.
func logFile(path string, kind archive, id fileID) bounce.LogFile {
	return bounce.LogFile{Size: id.size, Modified: id.modified, Open: func() (io.ReadCloser, error) {
		return openContent(path, kind, id)
	}}
}

// countingReader counts the bytes that are read.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
