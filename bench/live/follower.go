package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// follower is a log and a daemon that follows it.
type follower struct {
	dir    string
	path   string // of the log
	log    *os.File
	maker  *exec.Cmd
	lines  *bufio.Reader
	daemon *exec.Cmd
	said   bytes.Buffer
	pid    string
	db     *sql.DB
	failed int64 // failures written so far
}

// begin creates a directory with a log of a size.
func (b *bench) begin(ctx context.Context, size int64) (*follower, error) {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return nil, err
	}
	// The log is alone in its directory, so that only its own writes cause events.
	f := &follower{dir: dir, path: filepath.Join(dir, "log", "mail.log")}
	if err := os.Mkdir(filepath.Dir(f.path), 0o755); err != nil {
		return nil, err
	}
	if f.log, err = os.Create(f.path); err != nil {
		return nil, err
	}
	start, err := f.copyDatabase(ctx, b.db)
	if err != nil {
		f.end()
		return nil, err
	}
	f.maker = exec.CommandContext(ctx, b.genlog, "-size", "100000GB", "-start", start, "-recipients", strconv.Itoa(b.recipients))
	out, err := f.maker.StdoutPipe()
	if err == nil {
		err = f.maker.Start()
	}
	if err != nil {
		f.end()
		return nil, fmt.Errorf("%w; make it with: go build -o %s ./bench/genlog", err, b.genlog)
	}
	f.lines = bufio.NewReaderSize(out, 1<<20)
	to := bufio.NewWriterSize(f.log, 1<<20)
	for n := int64(0); n < size; {
		line, err := f.line()
		if err == nil {
			_, err = to.Write(line)
		}
		if err != nil {
			f.end()
			return nil, err
		}
		n += int64(len(line))
	}
	if err := to.Flush(); err != nil {
		f.end()
		return nil, err
	}
	return f, nil
}

// database is the path of the database of the daemon.
func (f *follower) database() string { return filepath.Join(f.dir, "live.db") }

// copyDatabase has the daemon continue a copy of a database, if one is named. Its
// records count as failures that were written. It returns when the log begins, in RFC
// 3339: an hour after the last failure in the database, as a log that goes on does.
func (f *follower) copyDatabase(ctx context.Context, path string) (start string, err error) {
	begin := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	if path == "" {
		return begin.Format(time.RFC3339), nil
	}
	if err := exec.CommandContext(ctx, "cp", "--", path, f.database()).Run(); err != nil {
		return "", err
	}
	db, err := sql.Open("sqlite3", "file:"+f.database())
	if err != nil {
		return "", err
	}
	defer db.Close()
	var last string
	if err := db.QueryRowContext(ctx, "SELECT max(id), max(occurred_at) FROM bounces").Scan(&f.failed, &last); err != nil {
		return "", fmt.Errorf("the last failure in %s: %w", path, err)
	}
	return bounce.ParseStamp(last).Add(time.Hour).Format(time.RFC3339), nil
}

// line returns the next line, and counts failures.
func (f *follower) line() ([]byte, error) {
	line, err := f.lines.ReadSlice('\n')
	if fails(line) {
		f.failed++
	}
	return line, err
}

func fails(line []byte) bool {
	return bytes.Contains(line, []byte(", status=deferred")) || bytes.Contains(line, []byte(", status=bounced"))
}

// end kills processes that are still running.
func (f *follower) end() {
	for _, c := range []*exec.Cmd{f.daemon, f.maker} {
		if c != nil && c.Process != nil && c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait() // it was killed
		}
	}
	if f.db != nil {
		f.db.Close()
	}
	f.log.Close()
	os.RemoveAll(f.dir)
}

// start starts the daemon and waits until it has saved the content of the log.
func (f *follower) start(ctx context.Context, program ...string) error {
	db := f.database()
	f.daemon = exec.CommandContext(ctx, program[0], append(program[1:], "run", "--db", db, f.path)...)
	f.daemon.Stderr = &f.said
	if err := f.daemon.Start(); err != nil {
		return err
	}
	f.pid = strconv.Itoa(f.daemon.Process.Pid)
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if f.db == nil {
			if _, err := os.Stat(db); err == nil {
				if f.db, err = sql.Open("sqlite3", "file:"+db+"?mode=ro&_busy_timeout=5000"); err != nil {
					return err
				}
			}
		}
		if f.db != nil {
			// This fails until the schema exists.
			var saved int64
			err := f.db.QueryRowContext(ctx, "SELECT ifnull(sum(offset), 0) FROM positions WHERE path LIKE '%mail.log'").Scan(&saved)
			if info, _ := f.log.Stat(); err == nil && info.Size() == saved {
				return nil
			}
		}
		if time.Since(begun) > 5*time.Minute {
			return fmt.Errorf("the log is not in the database after 5 minutes: %s", f.said.String())
		}
	}
}

// stop stops the daemon with SIGTERM.
func (f *follower) stop() error {
	if err := f.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := f.daemon.Wait(); err != nil {
		return fmt.Errorf("the daemon ended with %w: %s", err, f.said.String())
	}
	return nil
}
