package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// series imports one long log piece by piece into one database, with a program of its
// own for each piece, and prints what each cost.
type series struct {
	program, genlog string
	db              string // also names the pieces
	pieces          int
	size            int64 // of a piece, in MB
	recipients      int
}

func (s *series) run(ctx context.Context) (err error) {
	if s.db == "" {
		return errors.New("-db: name a file for the database")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// One log that is cut, so that messages continue in the next piece.
	gen := exec.CommandContext(ctx, s.genlog, "-recipients", strconv.Itoa(s.recipients), "-hosts", "4",
		"-size", strconv.FormatInt(int64(s.pieces)*s.size+10, 10)+"MB")
	gen.Stderr = os.Stderr
	out, err := gen.StdoutPipe()
	if err != nil {
		return err
	}
	if err := gen.Start(); err != nil {
		return fmt.Errorf("%s: %w; make it with: go build -o %[1]s ./bench/genlog", s.genlog, err)
	}
	defer func() {
		stop()
		_ = gen.Wait() // stopped
	}()
	log := bufio.NewReaderSize(out, 1<<20)
	fmt.Printf("%8s %12s %8s %12s %12s %8s\n", "piece", "processor s", "wall s", "resident MB", "database MB", "growth")
	var first time.Duration
	for i := range s.pieces {
		piece := fmt.Sprintf("%s.%d.log", s.db, i+1)
		if err := cut(log, piece, s.size*1e6); err != nil {
			return err
		}
		c := exec.CommandContext(ctx, s.program, "import", "--db", s.db, piece)
		begun := time.Now()
		if said, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", s.program, err, said)
		}
		wall, cpu := time.Since(begun), c.ProcessState.UserTime()+c.ProcessState.SystemTime()
		if i == 0 {
			first = cpu
		}
		usage, _ := c.ProcessState.SysUsage().(*syscall.Rusage)
		info, err := os.Stat(s.db)
		if err != nil {
			return err
		}
		fmt.Printf("%8d %12.2f %8.2f %12d %12d %8.2f\n", i+1, cpu.Seconds(), wall.Seconds(), usage.Maxrss>>10, info.Size()>>20, float64(cpu)/float64(first))
		if err := os.Remove(piece); err != nil {
			return err
		}
	}
	return nil
}

// cut copies the next lines of a log, some size bytes, into a file.
func cut(log *bufio.Reader, path string, size int64) error {
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, log, size)
	if err == nil {
		var rest []byte
		if rest, err = log.ReadBytes('\n'); err == nil {
			_, err = f.Write(rest)
		}
	}
	return errors.Join(err, f.Close())
}
