// Package daemon does what the commands are called for, with the settings that they have
// loaded. Package cli parses the flags and prints the results.
//
// Daemon follows logs until it is stopped, and Import reads them once. Both put the
// stages together (stages.go): tailer, logparse, queue, classify, pipeline and sqlite.
// The daemon reloads settings, reports its status to systemd, and runs the jobs next to
// the pipeline: expiry of states, pruning, published maps, webhooks and the look for
// incidents.
//
// A change that needs the writer of the database, such as Forget, runs in the daemon if
// one writes, and else in the process of the command (changes.go, client.go, commands.go).
// Question answers from the database of this host or from that of a fleet (ask.go). The
// other files each put one output or view together: export.go, fleet.go, hooks.go,
// notices.go, outputs.go, report.go, site.go.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/internal/tune"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/tailer"
)

// Daemon follows logs.
type Daemon struct {
	// Load returns the settings, with the logs to follow in Sources. It is called at
	// the start and after SIGHUP.
	Load func() (config.Config, error)
	// Settings returns the settings as Load, but without looking for logs to follow.
	Settings  func() (config.Config, error)
	NewLogger func(config.Log) *slog.Logger
	Version   string
	Stdin     io.Reader
	// Show prints a line of progress on a terminal, and clears it if it is empty.
	// It may be nil.
	Show func(line string)

	pipes tailer.Pipes
	clock clock
}

// Run follows the logs until ctx ends. After a SIGHUP that finds good settings it
// starts its stages again with them.
func (d *Daemon) Run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before the logs are looked for, which may take a while
	defer signal.Stop(hangup)
	c, err := d.Load()
	if err != nil {
		return err
	}
	tune.Run()
	d.pipes.Stdin = d.Stdin
	defer d.pipes.CloseExcept()
	var failed failure
	for first := true; ; first = false {
		next, err := d.follow(ctx, c, first, &failed, hangup)
		if err != nil || next == nil {
			if failed.store != nil { // it was not opened again
				err = errors.Join(err, failed.store.Close())
			}
			return err
		}
		c = *next
	}
}

// failure is what is left of a session that could not save what it had read.
type failure struct {
	err   error         // why lines must be read again, or nil
	store *sqlite.Store // still open, or nil
}

// open opens the database, or returns the store that is still open: a database that was
// closed on a full disk looks like one after a crash, and all of it would be checked.
func (f *failure) open(ctx context.Context, path string, log *slog.Logger) (*sqlite.Store, error) {
	if s := f.store; s != nil {
		f.store = nil
		return s, nil
	}
	return sqlite.Open(ctx, path, log)
}

// session is the daemon with one version of the settings.
type session struct {
	d        *Daemon
	c        config.Config
	log      *slog.Logger
	s        *stages
	p        *pipeline.Pipeline
	memory   tune.Memory
	broken   atomic.Pointer[string] // why the settings of the last SIGHUP are not used, or nil
	stalled  bool
	interval time.Duration          // between two looks at the stages
	patience time.Duration          // how long a stage may take for one piece of work
	command  atomic.Pointer[string] // that runs for a client, or nil
}

// follow follows the logs until ctx ends. It returns settings if others must be followed:
// good ones that SIGHUP has found, or the same if lines must be read again, which is noted
// in failed. After such a failure it makes small transactions for a while, which are
// retried until they can be saved.
func (d *Daemon) follow(
	ctx context.Context, c config.Config, first bool, failed *failure, hangup <-chan os.Signal,
) (next *config.Config, err error) {
	log := d.NewLogger(c.Log)
	unsaved := failed.err
	failed.err = nil
	open := func(ctx context.Context, path string, log *slog.Logger) (*sqlite.Store, error) {
		store, err := failed.open(ctx, path, log)
		if err == nil {
			store.Now = d.clock.Now
		}
		return store, err
	}
	s, err := openPatiently(ctx, c, first, open, log)
	if ctx.Err() != nil && err != nil {
		return nil, nil // stopped before it started
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if readsAgain(ctx, err) {
			failed.err, err = err, nil
			if next == nil {
				next = &c
			}
			if next.Database == c.Database {
				failed.store = s.store
				return
			}
		}
		closed := s.store.Close()
		if closed != nil && err == nil && (next != nil || dbfile.MayPass(closed)) {
			log.Warn("the database was not closed in order, it will be checked when it is opened", "error", closed)
			return
		}
		err = errors.Join(err, closed)
	}()
	s.clock = &d.clock
	defer context.AfterFunc(ctx, s.store.Hurry)()
	note(ctx, s.store, log, query.FollowedName, 1)
	note(ctx, s.store, log, query.ReloadSuccessful, 1)
	note(ctx, s.store, log, query.ReloadSucceeded, time.Now().Unix())
	source, err := s.follow(c, &d.pipes, log)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	endCheckpoints, err := s.store.StartCheckpointer(running, log)
	if err != nil {
		return nil, err
	}
	defer endCheckpoints()
	defer s.expireStates(running)()
	waitForOutputs := d.startOutputs(running, c, s.store, &s.troubles, log)
	defer func() { stop(); waitForOutputs() }()
	session := &session{d: d, c: c, log: log, s: s, p: s.pipeline(source)}
	session.p.Parsed, session.p.Committed = s.parsed, d.pipes.Saved
	if canReadAgain(&c) {
		session.p.Limits = readableAgain
	}
	if unsaved != nil {
		why := unsaved.Error()
		session.p.Progress.Trouble.Store(&why)
		session.p.Limits.SmallUntil = time.Now().Add(smallAfterFailure)
	}
	session.interval, session.patience = watchdog()
	done := make(chan error, 1)
	go func() { done <- session.p.Run(running) }()
	waitForCommands := session.serve(running)
	defer func() { stop(); waitForCommands() }()
	defer s.pruneDaily(running, retention(&c))()
	return session.watch(ctx, stop, done, hangup)
}

// readsAgain reports whether lines must be read again after an error of a session, because
// they were not saved, and the daemon goes on.
func readsAgain(ctx context.Context, err error) bool {
	return errors.Is(err, pipeline.ErrReadAgain) && ctx.Err() == nil
}

// canReadAgain reports whether lines can be read again from a stored position.
func canReadAgain(c *config.Config) bool {
	return !slices.ContainsFunc(c.Sources, func(source config.Source) bool { return tailer.IsPipe(source.Path) })
}

// watch looks after the pipeline until it ends. stop ends the pipeline, and ctx the daemon.
func (s *session) watch(ctx context.Context, stop func(), done <-chan error, hangup <-chan os.Signal) (next *config.Config, err error) {
	notifySystemd(s.log, daemon.SdNotifyReady+"\n"+s.status())
	first := s.firstReading()
	defer first.look.Stop()
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	stopping := ctx.Done()
	for {
		select {
		case <-stopping: // what was read is still to be saved
			stopping = nil
			notifySystemd(s.log, daemon.SdNotifyStopping)
		case err := <-done:
			s.show("")
			err = s.ended(ctx, err)
			if next == nil && stopping != nil && !readsAgain(ctx, err) {
				notifySystemd(s.log, daemon.SdNotifyStopping)
			}
			return next, err
		case chunks := <-first.sent:
			first.chunks = int64(chunks)
			s.showReading() // a busy machine may be late with the first look
		case <-first.look.C:
			if first.saved(&s.p.Progress) {
				first.look.Stop()
				s.endReading(ctx, first.lines)
			} else {
				s.showReading()
			}
		case <-tick.C:
			if err := s.s.store.Check(); err != nil {
				stop()
				if ended := <-done; !errors.Is(ended, context.Canceled) && !errors.Is(ended, pipeline.ErrReadAgain) {
					err = errors.Join(err, ended)
				}
				return nil, err // without ErrReadAgain: the other file has other positions
			}
			s.tick()
		case <-hangup:
			if next = s.reload(ctx); next != nil {
				stop()
			}
		}
	}
}

// ended logs how the pipeline ended, and returns what the daemon makes of its error.
func (s *session) ended(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) {
		err = nil // a large transaction was rolled back: its lines will be read again
	}
	if readsAgain(ctx, err) {
		s.log.Error("batch not saved, will follow again from the stored positions", "error", err)
		return err
	}
	if errors.Is(err, pipeline.ErrReadAgain) {
		if canReadAgain(&s.c) {
			s.log.Error("stopped before the last lines could be saved, they will be read again at the next start", "error", err)
			err = nil
		} else {
			err = fmt.Errorf("stopped before the last lines could be saved; those of pipes are lost: %w", err)
		}
	}
	s.log.Info("stopped", "lines", s.p.Progress.Lines.Load(), "new_records", s.p.Progress.New.Load(), "gaps", s.p.Progress.Gaps.Load())
	return err
}

// tick tells systemd the status, and that all is well unless a stage hangs.
func (s *session) tick() {
	s.memory.Release(s.p.Progress.Lines.Load())
	status := s.status()
	stalled := max(s.s.tailing.Stalled(time.Now()), s.p.Stalled(time.Now()))
	if stalled < s.patience {
		status += "\n" + daemon.SdNotifyWatchdog
	}
	switch hangs := stalled >= s.patience; {
	case s.stalled && !hangs:
		s.stalled = false
		s.log.Info("moving on again")
	case hangs && !s.stalled:
		s.stalled = true
		s.log.Error("a stage hangs, the watchdog is no longer notified", "for", stalled.Round(time.Second))
	}
	notifySystemd(s.log, status)
}

// reload reads settings and rules again, and returns nil if they are broken.
func (s *session) reload(ctx context.Context) *config.Config {
	notifySystemd(s.log, daemon.SdNotifyReloading+fmt.Sprintf("\nMONOTONIC_USEC=%d", monotonic()))
	c, err := s.d.Load()
	if err == nil {
		_, err = classify.New(c.Rules)
	}
	if err == nil {
		err = checkKey(ctx, c)
	}
	if err != nil {
		s.log.Error("settings or rules are broken, keeping the old ones", "error", err)
		note(ctx, s.s.store, s.log, query.ReloadSuccessful, 0)
		oneLine := strings.Join(strings.Fields(err.Error()), " ")
		broken := "cannot use the settings since " + time.Now().Format("2006-01-02 15:04") + ": " + oneLine
		s.broken.Store(&broken)
		notifySystemd(s.log, daemon.SdNotifyReady+"\n"+s.status())
		return nil
	}
	s.log.Info("settings and rules reloaded")
	return &c
}

// note stores a number that commands and metrics show. Nothing else depends on it, so
// following goes on if it cannot be stored.
func note(ctx context.Context, s *sqlite.Store, log *slog.Logger, name string, value int64) {
	if err := s.Note(ctx, name, value); err != nil {
		log.Debug("not noted in the database", "name", name, "error", err) // a full disk
	}
}

// openPatiently opens the stages, and retries while the database cannot be opened
// for a reason that may pass. After a reload it also waits for a command that has taken
// the database meanwhile, and for permissions that were lost.
func openPatiently(ctx context.Context, c config.Config, first bool, open openStore, log *slog.Logger) (*stages, error) {
	const task = "open the database"
	var trouble health.Retrying
	interval, _ := watchdog()
	for {
		s, err := openStages(ctx, c, open, log)
		var used *dbfile.InUse
		taken := errors.As(err, &used)
		if err == nil || ctx.Err() != nil || !dbfile.MayPass(err) && (first || !taken && !errors.Is(err, os.ErrPermission)) {
			if err == nil {
				trouble.Report(log, task, nil)
			}
			return s, err
		}
		trouble.Report(log, task, err)
		notifySystemd(log, daemon.SdNotifyReady+"\nSTATUS="+trouble.String()+"\n"+daemon.SdNotifyWatchdog)
		pause := min(interval, 5*time.Second)
		if taken {
			pause = time.Second
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
