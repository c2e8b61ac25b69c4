package sqldb

import (
	"context"
	"errors"
	"time"

	"github.com/mattn/go-sqlite3"
)

// SQLite waits for another writer in its own code, where nothing interrupts it. Connections
// that must end soon when the program is stopped therefore wait for a second only, and
// Await tries again.

// BusyTimeout is the setting of such connections.
const BusyTimeout = "_busy_timeout=1000"

// Await calls do again while another process writes, until patience has passed or ctx has
// ended, whose error is then added to that of the lock. do may be called several times.
func Await(ctx context.Context, patience time.Duration, do func() error) error {
	err := AwaitUnless(func() bool { return ctx.Err() != nil }, patience, do)
	if Contended(err) && ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// AwaitUnless is Await for what must be done although ctx has ended. It gives up once
// hurried returns true.
func AwaitUnless(hurried func() bool, patience time.Duration, do func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := do()
		if !Contended(err) || hurried() || time.Now().After(end) {
			return err
		}
	}
}

// Contended reports whether an error only says that another process writes to the
// database.
func Contended(err error) bool {
	code := CodeOf(err)
	return code == sqlite3.ErrBusy || code == sqlite3.ErrLocked
}
