package dbfile

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// SQLite appends what is committed to the write-ahead log, and copies the log into
// the database (a checkpoint) in the commit that finds it long. That commit waits
// twice for the disk, and the lines that arrive wait for it. A store that follows
// therefore has another connection checkpoint while it commits. The commit after a
// whole checkpoint starts the log again at its beginning; if there was always one
// more commit meanwhile, the store copies the rest itself.

// The write-ahead log grows to maxLog bytes between checkpoints where there is room.
// It is bounded by the size of the database, because there is no use in a log that is
// longer, and by what is free on the disk, because a checkpoint may need as much
// again: a log that fills the disk could never be copied.
const (
	maxLog = 40 << 20
	minLog = 1 << 20
)

// logBound returns how many bytes the log may have, by the size of the database and
// what is available on its disk for the log and a checkpoint, in bytes.
func logBound(database, available int64) int64 {
	return max(minLog, min(maxLog, max(database, 4*minLog), available/8))
}

// boundLog sets the bound by what is free now, if it has changed much.
func (f *File) boundLog(ctx context.Context, db sqldb.Querier) error {
	bytes := int64(maxLog)
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(f.Path), &disk); err == nil {
		bytes = logBound(sizeOf(f.Path), int64(disk.Bavail)*disk.Bsize+sizeOf(f.Path+"-wal"))
	}
	bound := int(bytes / f.pageSize)
	if f.logPages != 0 && bound > f.logPages*3/4 && bound < f.logPages*4/3 {
		return nil
	}
	f.logPages = bound
	auto := bound
	if f.checkpointer != nil {
		auto = 2 * bound // if the log grows faster than it is copied, a commit copies it
	}
	// The file is cut to the limit when the log starts again.
	var limit int64
	return db.QueryRowContext(ctx, fmt.Sprintf(
		"PRAGMA wal_autocheckpoint = %d; PRAGMA journal_size_limit = %d", auto, 2*bytes,
	)).Scan(&limit)
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// makeRoom copies the log into the database and cuts the log to nothing. After a
// write has failed for lack of space, nothing else does: SQLite checkpoints only
// after a commit. Its errors are left to the next write.
func (f *File) makeRoom(ctx context.Context, conn *sql.Conn) {
	var busy, pages, done int
	err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done)
	if err == nil && busy == 0 {
		f.full.Store(false)
	}
	_ = f.boundLog(ctx, conn)
}

// checkpointer is what the store and the other connection know of each other.
type checkpointer struct {
	state  atomic.Int32
	wanted chan struct{}
	looked time.Time // when the store last asked how long the log is
}

const (
	notCopied = iota
	copying
	copied // except for what was committed meanwhile
)

// lookInterval is how often the store asks how long the log is.
const lookInterval = 500 * time.Millisecond

const checkpoint = "PRAGMA wal_checkpoint(PASSIVE)"

// StartCheckpointer has the log copied into the database while the writer
// commits, in a goroutine that ends when the returned function is called, which
// waits for it. It is called before the first transaction.
func (f *File) StartCheckpointer(ctx context.Context, log *slog.Logger) (end func(), err error) {
	c := &checkpointer{wanted: make(chan struct{}, 1)}
	f.checkpointer, f.logPages = c, 0
	if err := f.boundLog(ctx, f.DB); err != nil {
		return nil, fmt.Errorf("database %s: %w", f.Path, err)
	}
	db := sqldb.Connect(f.Path, "rw", "_busy_timeout=5000")
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-c.wanted:
			case <-ctx.Done():
				return
			}
			// Twice, because the second takes a moment, in which little is committed.
			for range 2 {
				if _, err := db.ExecContext(ctx, checkpoint); err != nil && ctx.Err() == nil {
					log.Debug("checkpoint", "error", err) // a commit tries it too
				}
			}
			c.state.Store(copied)
		}
	}()
	return func() {
		stop()
		<-done
		_ = db.Close() // everything that it wrote is in the log
	}, nil
}

// CopyLog starts a checkpoint if the log is long, and copies itself what is left
// of it. Its errors are not those of the batch, which is committed: what was not
// copied is in the log, and tried again. The caller holds the connection, because
// several goroutines may commit.
func (f *File) CopyLog(ctx context.Context, conn *sql.Conn) {
	c := f.checkpointer
	if c == nil {
		return
	}
	state, now := c.state.Load(), time.Now()
	if state == copying || state == notCopied && now.Sub(c.looked) < lookInterval {
		return
	}
	c.looked = now
	_ = f.boundLog(ctx, conn) // keeps the bound of before
	var busy, pages, done int
	err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &pages, &done)
	switch long := err == nil && pages >= f.logPages; {
	case long && state == notCopied:
		c.state.Store(copying)
		c.wanted <- struct{}{}
		return
	case long: // else the last commit has started it again
		_, _ = conn.ExecContext(ctx, checkpoint)
	}
	c.state.Store(notCopied)
}
