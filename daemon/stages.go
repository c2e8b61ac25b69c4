package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/queue"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/tailer"
)

// stages are the parts of the pipeline behind the source. The daemon and an import
// use the same.
type stages struct {
	store      *sqlite.Store
	clock      *clock // of a daemon
	queue      *queue.Queue
	classifier *classify.Classifier
	positions  []bounce.Position
	parsed     map[int64]bounce.ParserState  // of the positions, by stream
	anchors    map[*bounce.LogFile]time.Time // the first stamps of files to import
	sources    []config.Source
	trusted    []int                         // see config.Config.JournalUIDs
	parsers    map[string][]*logparse.Parser // by path
	hash       *privacy.Hasher               // nil if addresses are stored as they are
	log        *slog.Logger
	troubles   health.Retrying // of the sources
	tailing    health.Heartbeat
	// caughtUp receives how many chunks were sent when the files are read to the end that
	// they had at the start. It is nil without files.
	caughtUp chan int
}

// newStages returns stages without a store, and with an empty queue.
func newStages(c *config.Config, sources []config.Source, log *slog.Logger) (*stages, error) {
	s := &stages{
		queue:   queue.New(),
		sources: sources,
		trusted: c.JournalUIDs,
		log:     log,
		parsed:  make(map[int64]bounce.ParserState),
		anchors: make(map[*bounce.LogFile]time.Time),
		parsers: make(map[string][]*logparse.Parser),
	}
	s.queue.Lifetime = c.QueueLifetime
	var err error
	if s.classifier, err = classify.New(c.Rules); err != nil {
		return nil, &config.Error{Err: err}
	}
	if s.hash, err = OpenHasher(c.Privacy); err != nil {
		return nil, &config.Error{Err: err}
	}
	return s, nil
}

// openStore opens a database for writing.
type openStore func(ctx context.Context, path string, log *slog.Logger) (*sqlite.Store, error)

func openStages(ctx context.Context, c config.Config, open openStore, log *slog.Logger) (*stages, error) {
	// A migration, a new policy and the check after a crash take minutes in a
	// database of gigabytes.
	defer keepAlive(log)()
	s, err := newStages(&c, c.Sources, log)
	if err != nil {
		return nil, err
	}
	if s.store, err = open(ctx, c.Database, log); err != nil {
		return nil, err
	}
	if err := s.store.UseKey(ctx, s.hash.ID()); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	s.store.ScrubQueue = queue.Scrub
	var entries []bounce.QueueEntry
	var streams []bounce.StreamState
	if streams, entries, err = s.store.Load(ctx); err == nil {
		err = s.queue.Restore(entries)
	}
	for i := range streams {
		s.positions = append(s.positions, streams[i].Position)
		if !tailer.IsPipeStream(streams[i].Stream) { // what comes out of a pipe now has nothing to do with it
			s.parsed[streams[i].Stream] = streams[i].Parser
		}
	}
	if err == nil {
		err = UsePolicy(ctx, s.store, &c, log)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", c.Database, err), s.store.Close())
	}
	return s, nil
}

// readableAgain are the limits for sources that can be read again from a stored position.
// A transaction has the failures of about a gigabyte of log. In a large database, one with
// a tenth of them writes nearly as many pages.
var readableAgain = pipeline.Limits{BatchRecords: 2_500, TxRecords: 160_000, StopRecords: 60_000}

// smallAfterFailure is how long transactions are small after one could not be saved. A disk
// that has room for small ones only would fail in a loop otherwise.
const smallAfterFailure = time.Minute

func (s *stages) pipeline(source pipeline.Source) *pipeline.Pipeline {
	return &pipeline.Pipeline{
		Source:     source,
		NewParser:  s.newParser,
		Anchor:     s.anchor,
		Queue:      s.queue,
		Classifier: func() pipeline.Classifier { return s.classifier },
		Begin:      func(ctx context.Context) (pipeline.Tx, error) { return s.store.Begin(ctx) },
		Hash:       s.hash,
		Log:        s.log,
	}
}

// follow returns the source that follows all logs of the settings: one tailer for
// all files, and one source each for the journal and the pipes.
func (s *stages) follow(c config.Config, pipes *tailer.Pipes, log *slog.Logger) (pipeline.Source, error) {
	var sources []pipeline.Source
	var piped []string
	patterns := make([]string, len(c.Sources)) // in the order of the settings
	files := false
	for i, source := range c.Sources {
		log.Info("following", "log", source.Path, "mta", source.MTA)
		switch {
		case source.Path == tailer.JournalPath:
			journal := &tailer.Journal{
				Index:     i,
				Positions: s.positions,
				FromEnd:   c.Start == "end",
				MaxLine:   c.MaxLine,
				Log:       log,
				Retrying:  &s.troubles,
			}
			sources = append(sources, journal.Run)
		case tailer.IsPipe(source.Path):
			pipe := &tailer.Pipe{
				Pipes:     pipes,
				Index:     i,
				Path:      source.Path,
				MaxLine:   c.MaxLine,
				Log:       log,
				Positions: s.positions,
				Crashed:   s.store.Crashed(),
			}
			sources, piped = append(sources, pipe.Run), append(piped, source.Path)
		default:
			patterns[i], files = source.Path, true
		}
	}
	pipes.CloseExcept(piped...)
	if files {
		s.caughtUp = make(chan int, 1)
		t, err := tailer.New(tailer.Options{
			Patterns:  patterns,
			Positions: s.positions,
			FromEnd:   c.Start == "end",
			MaxLine:   c.MaxLine,
			Log:       log,
			Retrying:  &s.troubles,
			Heartbeat: &s.tailing,
			CaughtUp:  func(chunks int) { s.caughtUp <- chunks },
		})
		if err != nil {
			return nil, err
		}
		sources = append(sources, t.Run)
	}
	if len(sources) == 1 {
		return sources[0], nil
	}
	return together(sources), nil
}

// together runs several sources concurrently until all have ended or one fails,
// and waits for them.
func together(sources []pipeline.Source) pipeline.Source {
	return func(ctx context.Context, out chan<- bounce.Chunk) error {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		done := make(chan error, len(sources))
		for _, source := range sources {
			go func() { done <- source(ctx, out) }()
		}
		var errs []error
		for range sources {
			if err := <-done; err != nil {
				errs = append(errs, err)
				stop()
			}
		}
		return errors.Join(errs...)
	}
}

func (s *stages) newParser(c *bounce.Chunk, state bounce.ParserState) (pipeline.Parser, error) {
	o := logparse.Options{Anchor: state.Anchor, State: state.Data, JournalUIDs: s.trusted}
	if s.hash != nil {
		o.Hide = s.hash.Line
		var err error
		if o.State, err = s.hash.Open(o.State); err != nil {
			return nil, err
		}
	}
	if c.SourceIndex < len(s.sources) {
		if source := s.sources[c.SourceIndex]; source.MTA != "auto" {
			o.MTA = bounce.MTA(source.MTA)
		}
	}
	o.Zone = s.zone(c.SourceIndex)
	p, err := logparse.New(o)
	if err != nil {
		return nil, err
	}
	s.parsers[c.Position.Path] = append(s.parsers[c.Position.Path], p)
	return p, nil
}

// recognised counts the lines of a mail server that were read, and those that
// were counted because they could not be parsed.
func (s *stages) recognised() int {
	n := 0
	for path := range s.parsers {
		n += s.recognisedIn(path)
	}
	return n
}

func (s *stages) recognisedIn(path string) int {
	n := 0
	for _, p := range s.parsers[path] {
		n += p.Counts().Recognised + p.Counts().Unparsed
	}
	return n
}

// zone returns the time zone of stamps in a source that have none.
func (s *stages) zone(source int) *time.Location {
	if source < len(s.sources) {
		if zone, err := s.sources[source].Zone(); err == nil {
			return zone // it was checked when the settings were loaded
		}
	}
	return time.Local
}

// anchor returns a time near the first stamp of a stream that no parser has read.
func (s *stages) anchor(c *bounce.Chunk) time.Time {
	if c.File == nil {
		return time.Now() // a pipe, or the journal, whose stamps have a year
	}
	if at, known := s.anchors[c.File]; known {
		return at
	}
	return s.firstStamp(c.File, c.SourceIndex)
}

// firstStamp returns the time of the first stamp in a file.
func (s *stages) firstStamp(f *bounce.LogFile, source int) time.Time {
	if f.Open == nil {
		return f.Modified
	}
	return logparse.Anchor(f.Open, f.Size, f.Modified, s.zone(source))
}

// openInput opens a file to import by its path, and its index among all.
type openInput func(ctx context.Context, i int, path string) (*tailer.Input, error)

// openInputs opens files to import and sorts them by their first stamps.
func (s *stages) openInputs(ctx context.Context, paths []string, open openInput) (inputs []*tailer.Input, err error) {
	for i, path := range paths {
		in, err := open(ctx, i, path)
		if err != nil {
			for _, in := range inputs {
				in.Close()
			}
			return nil, err
		}
		s.anchors[&in.File] = s.firstStamp(&in.File, 0)
		inputs = append(inputs, in)
	}
	slices.SortStableFunc(inputs, func(a, b *tailer.Input) int { return s.anchors[&a.File].Compare(s.anchors[&b.File]) })
	return inputs, nil
}
