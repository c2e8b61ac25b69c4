package sqldb_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// locked returns how to write to a database that another process has locked, and how to
// end that.
func locked(t *testing.T) (write func() error, unlock func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	other := sqldb.Connect(path, "rwc", "_txlock=immediate")
	db := sqldb.Connect(path, "rw", "_busy_timeout=1")
	t.Cleanup(func() { other.Close(); db.Close() })
	if _, err := other.ExecContext(t.Context(), "CREATE TABLE a (b)"); err != nil {
		t.Fatal(err)
	}
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
			_, err := db.ExecContext(context.Background(), "INSERT INTO a VALUES (1)")
			return err
		}, func() {
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
		}
}

func TestAwaitTriesUntilTheLockIsFree(t *testing.T) {
	t.Parallel()
	write, unlock := locked(t)
	tries := 0
	err := sqldb.Await(t.Context(), time.Minute, func() error {
		if tries++; tries == 3 {
			unlock()
		}
		return write()
	})
	if err != nil || tries != 3 {
		t.Errorf("Await: %v after %d tries, want nil after 3", err, tries)
	}
}

func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	write, unlock := locked(t)
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sqldb.Await(ctx, time.Minute, write); !sqldb.Contended(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("Await with a context that has ended: %v, want the lock, and that", err)
	}
	if err := sqldb.Await(t.Context(), time.Nanosecond, write); !sqldb.Contended(err) {
		t.Errorf("Await without patience: %v, want the lock", err)
	}
	other := errors.New("no such table")
	if err := sqldb.Await(t.Context(), time.Minute, func() error { return other }); !errors.Is(err, other) {
		t.Errorf("Await: %v, want any other error at once", err)
	}
}
