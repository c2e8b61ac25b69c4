package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/tune"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/tailer"
	"github.com/bouncetail/bouncetail/tally"
)

// Import reads logs to their end.
type Import struct {
	Config config.Config // Sources has one source, with the MTA and the zone of all files
	Files  []string      // "-" is Stdin
	Stdin  io.Reader
	Log    *slog.Logger
	// Progress is called with the bytes read and the size of all files, as they lie
	// on the disk.
	Progress func(done, total int64)
}

// Imported is what an import read and stored, also one that was interrupted.
type Imported struct {
	Lines        int64           `json:"lines"`
	Sent         int64           `json:"sent"`
	Deferred     int64           `json:"deferred"`
	Bounced      int64           `json:"bounced"`
	Expired      int64           `json:"expired"`
	New          int64           `json:"new_failures"` // that the database did not hold
	TooLong      int64           `json:"too_long"`
	Unparsed     int64           `json:"unparsed"`
	Unjoined     int             `json:"unjoined"`               // messages that expired, with their deferrals in a log that was not read
	Unrecognised []string        `json:"unrecognised,omitempty"` // files without a line of a mail server
	Problems     []tally.Problem `json:"-"`                      // failures that the sender has to solve
	Took         time.Duration   `json:"-"`
	Saved        int64           `json:"-"` // lines that are stored, also after an error
	BytesRead    int64           `json:"-"`
	BytesTotal   int64           `json:"-"`
}

// ErrNoLines is returned, with what an import of nothing gives, if the files are empty.
var ErrNoLines = errors.New("there is no line in what was to be imported")

// Run imports the files. It retries while another process writes to the database,
// and reads the files again if that lost what was read. Other errors of saving, such
// as a full disk, end it: somebody waits for the result.
func (im *Import) Run(ctx context.Context) (*Imported, error) {
	again, err := readable(im.Files)
	if err != nil {
		return nil, err // before a database is created
	}
	if zone, err := im.Config.Sources[0].Zone(); err == nil && zone == time.Local {
		warnOfZone(im.Log)
	}
	return atWriter(ctx, im.Config, im.Log, func(client *control.Client) (*Imported, error) {
		return im.remote(ctx, client, again)
	}, func() (*Imported, error) { return im.here(ctx, again) })
}

// here imports the files in this process.
func (im *Import) here(ctx context.Context, again bool) (*Imported, error) {
	tune.Import()
	pause := time.Second
	for first := true; ; first = false {
		done, err := im.once(ctx, again)
		if !sqldb.Contended(err) || !errors.Is(err, pipeline.ErrReadAgain) && first || ctx.Err() != nil {
			return done, err
		}
		im.Log.Error("cannot save, reading the logs again", "in", pause, "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Minute)
		case <-ctx.Done():
			return done, err
		}
	}
}

// once imports the files. If they can be read a second time, they are saved in
// transactions of many batches, and into a new database that appears when it is
// complete.
func (im *Import) once(ctx context.Context, again bool) (result *Imported, err error) {
	c := im.Config
	_, statErr := os.Stat(c.Database)
	openDatabase := sqlite.OpenToFill
	if again {
		openDatabase = sqlite.OpenToBuild
	}
	s, err := openStages(ctx, c, openDatabase, im.Log)
	if err != nil {
		return nil, err
	}
	if errors.Is(statErr, os.ErrNotExist) {
		// An import that finds nothing leaves nothing behind.
		defer func() {
			if err != nil && s.recognised() == 0 {
				err = errors.Join(err, dbfile.Remove(c.Database))
			}
		}()
	}
	limits := pipeline.Limits{FlushInterval: flushInterval}
	if again {
		limits = readableAgain
		limits.FlushInterval = flushInterval
	}
	var failures incident.NewFailures
	result, err = im.read(ctx, s, reading{
		limits: limits,
		open: func(ctx context.Context, _ int, path string) (*tailer.Input, error) {
			return tailer.OpenInput(ctx, path, im.Stdin)
		},
		wrap: func(tx *sqlite.Tx) pipeline.Tx {
			failures.Begin()
			tx.EachNew(failures.Add)
			tx.EachFirst(failures.AddFirst)
			return &lookedAtTx{tx, &failures}
		},
	})
	if ctx.Err() != nil {
		s.store.Keep()
	}
	if err = errors.Join(err, s.store.Close()); err == nil {
		err = lookBack(ctx, &c, &failures)
	}
	return result, err
}

// lookedAtTx is a transaction whose failures are looked at when all are imported.
type lookedAtTx struct {
	*sqlite.Tx
	failures *incident.NewFailures
}

// Commit commits the transaction.
func (tx *lookedAtTx) Commit() error {
	err := tx.Tx.Commit()
	if err == nil {
		tx.failures.Commit()
	}
	return err
}

// flushInterval is long, so that rows are written once for what many lines have in
// common.
const flushInterval = 10 * time.Second

// reading is how the files are read, which differs in a daemon.
type reading struct {
	limits pipeline.Limits
	open   openInput
	wrap   func(*sqlite.Tx) pipeline.Tx
}

// read reads the files through a pipeline.
func (im *Import) read(ctx context.Context, s *stages, how reading) (*Imported, error) {
	result := &Imported{}
	p := s.pipeline(func(ctx context.Context, out chan<- bounce.Chunk) error {
		inputs, err := s.openInputs(ctx, im.Files, how.open)
		if err != nil {
			return err
		}
		files := tailer.Import{
			Inputs:    inputs,
			Positions: s.positions,
			MaxLine:   im.Config.MaxLine,
			Progress:  im.progress(result),
			Log:       im.Log,
			Now:       time.Now,
		}
		return files.Run(ctx, out)
	})
	var problems tally.Problems
	p.Limits = how.limits
	p.Begin = func(ctx context.Context) (pipeline.Tx, error) {
		tx, err := s.store.Begin(ctx)
		if err != nil {
			return nil, err
		}
		tx.CountProblems(&problems)
		return how.wrap(tx), nil
	}
	p.GiveUp = func(err error) bool { return !sqldb.Contended(err) }
	begun := time.Now()
	err := p.Run(ctx)
	result.Took = time.Since(begun)
	if err == nil {
		err = ctx.Err()
	}
	result.count(&p.Progress)
	result.Unjoined = s.queue.Unjoined()
	result.Problems = problems.List()
	if err != nil {
		return result, err
	}
	if result.Lines == 0 && result.TooLong == 0 {
		return result, ErrNoLines
	}
	if s.recognised() == 0 {
		return nil, fmt.Errorf("no line of a mail server in %s (%s lines read); name the mail log, plain or packed",
			strings.Join(im.Files, ", "), text.Thousands(result.Lines))
	}
	for _, path := range slices.Sorted(maps.Keys(s.parsers)) {
		if s.recognisedIn(path) == 0 {
			result.Unrecognised = append(result.Unrecognised, path)
		}
	}
	return result, nil
}

func (im *Import) progress(result *Imported) func(done, total int64) {
	return func(done, total int64) {
		result.BytesRead, result.BytesTotal = done, total
		if im.Progress != nil {
			im.Progress(done, total)
		}
	}
}

func (result *Imported) count(p *pipeline.Progress) {
	result.Lines, result.Saved = p.Lines.Load(), p.Saved.Load()
	result.Sent, result.Deferred, result.Bounced, result.Expired = p.Sent.Load(), p.Deferred.Load(), p.Bounced.Load(), p.Expired.Load()
	result.New, result.TooLong, result.Unparsed = p.New.Load(), p.TooLong.Load(), p.Unparsed.Load()
}

// readable returns an error for files that cannot be read, and reports whether all
// of them can be read a second time, which pipes cannot.
func readable(files []string) (again bool, err error) {
	again = true
	for _, path := range files {
		if path == "-" {
			again = false
			continue
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return false, fmt.Errorf("%s does not exist; check the spelling", path)
		case err != nil:
			return false, err
		case info.IsDir():
			return false, fmt.Errorf("%s is a directory; name the log files in it", path)
		}
		if !info.Mode().IsRegular() {
			if info.Mode()&os.ModeNamedPipe == 0 {
				if other := openfile.Check(path, info); other != nil {
					return false, fmt.Errorf("%w; name a log file", other)
				}
			}
			again = false // opening a pipe here would end its writer
			continue
		}
		f, err := os.Open(path)
		if errors.Is(err, os.ErrPermission) {
			return false, fmt.Errorf(
				"%s may not be read by this user; run as root or as a member of the group that owns it (often adm)",
				path,
			)
		}
		if err != nil {
			return false, err
		}
		f.Close()
	}
	return again, nil
}
