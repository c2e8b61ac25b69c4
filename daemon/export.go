package daemon

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Export writes recipients of the database in the format of another program.
type Export struct {
	export.Run
	Question
	Filter query.Filter
	Cursor string // writes what changed since it, and moves it; empty writes all
	Only   bool   // names only the addresses that Know adds
	DryRun bool   // writes to Stdout, and moves no cursor

	key int64 // that hashed the addresses of Known; see privacy.Hasher.ID
}

var cursorName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Check completes the export with the values of --format and --mode. It returns an error
// for flags that cannot be combined, or that have no meaning.
func (e *Export) Check(format, mode string) (err error) {
	if e.Format, err = export.Named(format); err != nil {
		return err
	}
	if e.Only && e.Filter.Limit > 0 {
		return errors.New("--limit and --addresses do not go together: the limit would count those that are left out")
	}
	if e.Mode, err = export.ParseMode(mode, e.Output); err != nil {
		return err
	}
	switch {
	case e.Cursor != "" && !cursorName.MatchString(e.Cursor):
		return fmt.Errorf("--cursor: %q is no name; use letters, digits, - and _", e.Cursor)
	case e.Cursor != "" && e.Filter.Limit > 0:
		return errors.New("--limit and --cursor do not go together: the cursor would pass over what was left out")
	}
	return e.Format.Check(e.Options)
}

// Know adds an address that the export may name. Without any it names all.
func (e *Export) Know(given string) error {
	h, err := OpenHasher(e.Config.Privacy)
	if err != nil {
		return err
	}
	if e.Known == nil {
		e.key, e.Known = h.ID(), make(map[string]string)
	}
	to := address.Parse(given)
	e.Known[h.Hashed(to).Normal] = to.Normal
	return nil
}

// errKeep ends the use of a cursor of a fleet that is not to be moved.
var errKeep = errors.New("the cursor stays where it is")

// Write writes the recipients. It moves the cursor once they are safely written.
func (e *Export) Write(ctx context.Context) (err error) {
	if e.DryRun {
		e.Output = ""
	}
	if err := CheckOutput(&e.Config, e.Output); err != nil {
		return err
	}
	switch {
	case e.Cursor != "" && e.Fleet:
		return e.writeFleet(ctx)
	case e.Cursor == "":
		return e.Ask(ctx, func(r Answers, _ func(bounce.Address) (bounce.Address, error)) error {
			_, err := e.write(ctx, r, r.Recipients)
			return err
		})
	}
	cursor, err := outbox.OpenCursor(ctx, e.Config.Database, e.Cursor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	e.Changes, e.AfterSeq = true, cursor.Seq
	e.Options.First = cursor.New
	return e.Ask(ctx, func(r Answers, _ func(bounce.Address) (bounce.Address, error)) error {
		last, err := e.write(ctx, r, r.Recipients)
		if err != nil || e.DryRun {
			return err
		}
		return cursor.Move(ctx, max(last, cursor.Seq), time.Now())
	})
}

// writeFleet writes what changed in the fleet since a cursor, which is kept there.
func (e *Export) writeFleet(ctx context.Context) error {
	r, err := e.openFleet(ctx)
	if err != nil {
		return err
	}
	err = r.AtCursor(ctx, e.Cursor, func(read recipientsOf, after int64, isNew bool) (int64, error) {
		e.Changes, e.AfterSeq, e.Options.First = true, after, isNew
		last, err := e.write(ctx, r, func(_ context.Context, f query.Filter, each func(*bounce.Recipient) error) (int64, error) {
			return read(f, each)
		})
		if err == nil && e.DryRun {
			err = errKeep
		}
		return last, err
	})
	if errors.Is(err, errKeep) {
		err = nil
	}
	return errors.Join(err, r.Close())
}

// recipientsOf calls each for the recipients that a filter chooses.
type recipientsOf = func(query.Filter, func(*bounce.Recipient) error) (int64, error)

// write writes what the filter chooses and returns the number of the last change that
// has been dealt with.
func (e *Export) write(
	ctx context.Context, from Answers, read func(context.Context, query.Filter, func(*bounce.Recipient) error) (int64, error),
) (lastSeq int64, err error) {
	if err := e.checkKey(ctx, from); err != nil {
		return 0, err
	}
	f := e.Filter
	f.Changes, f.AfterSeq = e.Changes, e.AfterSeq
	if e.Options.ByDefault && e.Changes {
		f.BadOrLeft = true
	} else if e.Options.ByDefault {
		f.State = string(bounce.StateBad)
	}
	e.Read = func(each func(*bounce.Recipient) error) (int64, error) { return read(ctx, f, each) }
	return e.Run.Write()
}

// checkKey refuses to write hashes where addresses are wanted, or to compare with
// hashes of another key.
func (e *Export) checkKey(ctx context.Context, from Answers) error {
	r, here := from.(ofHost)
	if e.Known != nil && here {
		return r.CheckKey(ctx, e.Config.Database, e.key)
	}
	hashed := e.Config.Privacy.HashAddresses // a fleet with another key is refused
	if here {
		var err error
		if hashed, err = r.Hashed(ctx); err != nil {
			return err
		}
	}
	if e.Known != nil || !hashed || !e.Format.SuppressionList {
		return nil
	}
	return fmt.Errorf(
		"the database holds hashes, and %s needs addresses; name a file with those that you send to: --addresses FILE",
		e.Format.Name,
	)
}
