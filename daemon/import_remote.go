package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/tailer"
	"github.com/bouncetail/bouncetail/tally"
)

// An import into the database that a daemon follows into runs in the daemon, through
// a separate pipeline. Both pipelines save to the same store, a transaction at a
// time. The import saves neither positions nor queue entries: the daemon knows both
// better. At the end the queue of the daemon takes over what the import learned of
// messages that are still on their way.

// importCommand are the arguments of an import in the daemon. The files come with it.
type importCommand struct {
	Paths    []string
	MTA      string
	Timezone string
	Offsets  []int // of the client's local zone, if that is the one to use
}

// settings returns the settings that decide on the result.
func (*importCommand) settings(c *config.Config) any {
	return struct {
		Rules       string
		Privacy     config.Privacy
		MaxLine     int
		Lifetime    time.Duration
		JournalUIDs []int
	}{c.Rules, c.Privacy, c.MaxLine, c.QueueLifetime, c.JournalUIDs}
}

// importedJSON has all fields of Imported in JSON.
type importedJSON struct {
	Lines, Sent, Deferred, Bounced, Expired, New, TooLong, Unparsed int64
	Unjoined                                                        int
	Unrecognised                                                    []string
	Problems                                                        []tally.Problem
	Took                                                            time.Duration
	Saved                                                           int64
	BytesRead, BytesTotal                                           int64
}

// remote imports the files in the daemon. It opens them here: the daemon may not be
// allowed to, or not see them. again reports whether all of them can be read twice.
func (im *Import) remote(ctx context.Context, client *control.Client, again bool) (*Imported, error) {
	source := im.Config.Sources[0]
	to := &importCommand{Paths: im.Files, MTA: source.MTA, Timezone: source.Timezone}
	if source.Timezone == "" || source.Timezone == "local" {
		to.Offsets = offsets(time.Local)
	}
	files, err := im.openFiles(ctx)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	client.Progress = im.Progress
	var result *importedJSON
	err = fromDaemon(client.Call(ctx, "import", command{settingsText(to.settings(&im.Config)), to}, files, &result))
	if e, is := errors.AsType[*control.Error](err); is && e.Kind == control.KindNotStarted && !again {
		err = errors.New(e.Text) // what was copied into a pipe cannot be sent again
	}
	return (*Imported)(result), err
}

// openFiles opens the files for the daemon. What is not a regular file, such as
// standard input, is copied into a pipe: the daemon must not change the mode of a
// terminal. It starts a goroutine for each pipe, which may be blocked until the
// program ends.
func (im *Import) openFiles(ctx context.Context) (files []*os.File, err error) {
	for _, path := range im.Files {
		from := im.Stdin
		if path != tailer.StdinPath {
			info, err := os.Stat(path)
			if err != nil {
				return files, err
			}
			if info.Mode().IsRegular() {
				f, err := os.Open(path)
				if err != nil {
					return files, err
				}
				files = append(files, f)
				continue
			}
			from = nil
		}
		r, w, err := os.Pipe()
		if err != nil {
			return files, err
		}
		files = append(files, r)
		go func() {
			defer w.Close()
			if from == nil {
				f, err := os.Open(path) // may wait for a writer
				if err != nil {
					return
				}
				defer f.Close()
				from = f
			}
			_, _ = io.Copy(w, from) // an error means that the daemon has stopped reading
		}()
	}
	return files, nil
}

// offsets returns the offsets of a zone in the winters and summers of some years.
func offsets(zone *time.Location) (list []int) {
	for year := time.Now().Year() - 5; year <= time.Now().Year(); year++ {
		for _, month := range []time.Month{time.January, time.July} {
			_, offset := time.Date(year, month, 1, 0, 0, 0, 0, zone).Zone()
			list = append(list, offset)
		}
	}
	return list
}

// importFiles is an import in the daemon. client ends when the client is gone, ctx
// when the session ends.
func (s *session) importFiles(ctx, client context.Context, r *control.Request) (any, error) {
	to := &importCommand{}
	c, err := s.decode(r, to)
	if err != nil {
		return nil, err
	}
	if len(to.Paths) != len(r.Files) {
		return nil, fmt.Errorf("%d files came, and %d are named", len(r.Files), len(to.Paths))
	}
	if to.Offsets != nil && settingsText(to.Offsets) != settingsText(offsets(time.Local)) {
		return nil, errors.New(
			"the daemon is in another time zone than this command; name the zone of the stamps in the log with --timezone, such as Europe/Berlin",
		)
	}
	stages, err := s.importStages(client, c, to, r)
	if err != nil {
		return nil, err
	}
	learned := make(learned)
	im := Import{Config: c, Files: to.Paths, Log: r.Log, Progress: r.Progress}
	result, err := im.read(client, stages, reading{
		// Small transactions: what is followed waits for each.
		limits: pipeline.Limits{FlushInterval: flushInterval, BatchRecords: importBatch},
		open: func(ctx context.Context, i int, path string) (*tailer.Input, error) {
			return tailer.InputOf(ctx, path, r.Files[i])
		},
		wrap: func(tx *sqlite.Tx) pipeline.Tx { return &importTx{tx, learned} },
	})
	if entries := slices.Collect(maps.Values(learned)); len(entries) > 0 { // also of an import that was interrupted
		adopted := s.p.Pause(ctx, func() (*pipeline.Memory, error) { return nil, s.s.queue.Adopt(entries) })
		if ctx.Err() == nil { // else the import says why it ended
			err = errors.Join(err, adopted)
		}
	}
	if result == nil {
		return nil, canceled(client, err)
	}
	return (*importedJSON)(result), canceled(client, err)
}

// importBatch is the number of records of a transaction of an import in the daemon:
// 0.5 s, for which the records of the followed logs wait. In a database of gigabytes it
// is 4 s. An import of 1 GB takes 2.7 times as long with 1,000 records, and 0.85 times
// with 20,000.
const importBatch = 10_000

// importStages returns the stages of an import in the daemon. It shares the
// store of the daemon, and has a separate queue, parsers and rules.
func (s *session) importStages(ctx context.Context, c config.Config, to *importCommand, r *control.Request) (*stages, error) {
	source := config.Source{MTA: to.MTA, Timezone: to.Timezone}
	if _, err := source.Zone(); err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	n, err := newStages(&c, []config.Source{source}, r.Log)
	if err != nil {
		return nil, err
	}
	n.store = s.s.store
	if err := n.store.UseKey(ctx, n.hash.ID()); err != nil {
		return nil, err
	}
	_, entries, err := n.store.Load(ctx)
	if err != nil {
		return nil, err
	}
	return n, n.queue.RestoreMessages(entries)
}

// importTx is a transaction of an import in the daemon.
type importTx struct {
	*sqlite.Tx
	learned learned
}

// Add adds a batch without its positions and queue entries, and keeps the latter.
func (tx *importTx) Add(b *bounce.Batch) (isNew int, err error) {
	tx.learned.note(b.Queue)
	records := *b
	records.Positions, records.Queue = nil, nil
	return tx.Tx.Add(&records)
}

// learned are the queue entries of an import.
type learned map[queueKey]bounce.QueueEntry

type queueKey struct {
	host, id string
	mta      bounce.MTA
}

func (l learned) note(entries []bounce.QueueEntry) {
	for _, e := range entries {
		key := queueKey{e.Host, e.QueueID, e.MTA}
		if e.Data == nil {
			delete(l, key)
		} else {
			l[key] = e
		}
	}
}
