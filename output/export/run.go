package export

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/atomicfile"
)

// Run is one export: recipients into a file or to standard output.
type Run struct {
	Format  Format
	Options Options
	Output  string      // a file; empty is Stdout
	Mode    os.FileMode // of the file; 0 keeps that of an older file, or is 0640
	Stdout  io.Writer
	Remarks io.Writer
	// Known are the only addresses to name, by how they are stored; nil names all as
	// they are stored.
	Known    map[string]string
	Changes  bool  // Read returns changes in their order
	AfterSeq int64 // the change after which they begin
	// Read calls each for the recipients, and returns the number of the last change of
	// any recipient.
	Read func(each func(*bounce.Recipient) error) (lastSeq int64, err error)

	counts map[bounce.State]int // addresses written
}

// Write writes the file and returns the number of the last change that has been dealt
// with.
func (e *Run) Write() (lastSeq int64, err error) {
	if e.Output == "" {
		return e.writeTo(e.Stdout)
	}
	if info, err := os.Stat(e.Output); err == nil {
		if info.IsDir() {
			return 0, fmt.Errorf("output %s is a directory; name a file in it", e.Output)
		}
		if !info.Mode().IsRegular() {
			return e.writeDevice(info)
		}
	} else if _, err := os.Readlink(e.Output); err == nil {
		return 0, fmt.Errorf("output %s is a link to a file that does not exist; create that file, or name it instead", e.Output)
	}
	return e.writeFile()
}

// writeDevice writes to what cannot be replaced: a named pipe, /dev/stdout.
func (e *Run) writeDevice(info os.FileInfo) (lastSeq int64, err error) {
	f, err := openDevice(e.Output, info)
	if err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	lastSeq, err = e.writeTo(f)
	return lastSeq, errors.Join(err, f.Close())
}

// readerGrace is how long a program may take to open a named pipe to read it.
const readerGrace = 5 * time.Second

// openDevice opens a device to write to it. A named pipe without a reader is an error
// after readerGrace: without O_NONBLOCK, opening it would wait for ever.
func openDevice(path string, info os.FileInfo) (*os.File, error) {
	if info.Mode()&os.ModeNamedPipe == 0 {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	for deadline := time.Now().Add(readerGrace); ; time.Sleep(50 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no program reads the named pipe %s; start the one that does first", path)
		}
	}
}

// writeFile replaces the file, so that a reader finds the old one or the new one.
func (e *Run) writeFile() (lastSeq int64, err error) {
	f, err := atomicfile.Create(e.Output, 0o640)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("output %s: the directory %s does not exist; create it", e.Output, filepath.Dir(e.Output))
	}
	if err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	defer func() { err = errors.Join(err, f.Abort()) }()
	if e.Mode != 0 {
		if err := f.Chmod(e.Mode); err != nil {
			return 0, fmt.Errorf("output: %w", err)
		}
	}
	if lastSeq, err = e.writeTo(f); err != nil {
		return 0, err
	}
	// The file must be on the disk before a cursor moves.
	if err := f.Commit(); err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	return lastSeq, nil
}

func (e *Run) writeTo(w io.Writer) (lastSeq int64, err error) {
	e.counts = make(map[bounce.State]int)
	buffered := bufio.NewWriterSize(w, 1<<16)
	file := e.Format.File(buffered, e.Options)
	passed := e.AfterSeq // the change up to which rows are in the file, or rightly are not
	lastSeq, err = e.Read(func(row *bounce.Recipient) error {
		if e.Known != nil {
			name, known := e.Known[row.Recipient]
			if !known {
				passed = row.Seq
				return nil
			}
			named := *row
			named.Recipient = name
			row = &named
		}
		rows := file.Rows
		if err := file.Write(row); err != nil {
			return err
		}
		if file.Rows > rows { // an address may have a row for each of its spellings
			e.counts[row.State]++
		}
		passed = row.Seq
		return nil
	})
	full := errors.Is(err, errFull)
	switch {
	case full && (!e.Changes || file.Rows == 0):
		return 0, fmt.Errorf(
			"the file would be larger than the %d bytes that its program takes; export in parts with --cursor NAME, or narrow it with --domain, --category or --since",
			e.Format.MaxBytes,
		)
	case full:
		lastSeq = passed
	case err != nil:
		return 0, err
	}
	if err := errors.Join(file.Close(), buffered.Flush()); err != nil {
		return 0, err
	}
	if err := synced(w); err != nil {
		return 0, err
	}
	e.remark(file, full)
	return lastSeq, nil
}

// synced waits until standard output is on the disk, where it is a file.
func synced(w io.Writer) error {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Sync()
}
