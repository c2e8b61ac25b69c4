package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// serve takes commands for the writer of the database until ctx ends. It starts a
// goroutine; the returned function waits until all commands have ended. A daemon
// that cannot take commands follows all the same.
func (s *session) serve(ctx context.Context) (wait func()) {
	server := &control.Server{
		Handle:   func(client context.Context, r *control.Request) (any, error) { return s.handle(ctx, client, r) },
		Kind:     kindOf,
		Troubles: s.problems,
		Version:  s.d.Version,
		Log:      s.log,
	}
	wait, err := server.Serve(ctx, control.SocketOf(s.c.Database))
	if err != nil {
		s.log.Warn("cannot take commands; stop the daemon before forget, import, reclassify, rebuild and prune", "error", err)
		return func() {}
	}
	return wait
}

// handle runs a command. Its context ends when the client is gone, ctx when the
// session ends.
func (s *session) handle(ctx, client context.Context, r *control.Request) (any, error) {
	s.command.Store(&r.Command)
	defer s.command.Store(nil)
	switch r.Command {
	case "forget":
		return apply(client, s, r, &Forget{}, func(*Forget) (*pipeline.Memory, error) { return s.reloadMemory() })
	case "forget-elsewhere":
		return apply(client, s, r, &ForgetElsewhere{}, func(*ForgetElsewhere) (*pipeline.Memory, error) { return s.reloadMemory() })
	case "reclassify":
		return apply(client, s, r, &Reclassify{}, func(done *Reclassify) (*pipeline.Memory, error) {
			s.s.classifier = done.classifier // the rules may have changed since the start
			return nil, nil
		})
	case "rebuild":
		return apply(client, s, r, &Rebuild{}, nil)
	case "prune":
		to := &Prune{}
		c, err := s.decode(r, to)
		if err != nil {
			return nil, err
		}
		return to.apply(client, &c, s.s.store, r.Log) // in short transactions
	case "decide":
		return runDecision(client, s, r, &Decide{})
	case "mark":
		return runDecision(client, s, r, &Mark{})
	case "import":
		return s.importFiles(ctx, client, r)
	}
	return nil, fmt.Errorf(
		"the daemon has version %s, and does not know the command %s; restart it with the version of this program",
		s.d.Version, r.Command,
	)
}

// decode reads the arguments of a command, and returns the settings of the daemon as
// they are in the file now. It refuses a command that was given other settings.
func (s *session) decode(r *control.Request, to interface{ settings(*config.Config) any }) (c config.Config, err error) {
	sent := command{Args: to}
	if err := json.Unmarshal(r.Args, &sent); err != nil {
		return c, fmt.Errorf("arguments of the command %s: %w", r.Command, err)
	}
	if c, err = s.d.Settings(); err == nil && settingsText(to.settings(&c)) != sent.Settings {
		err = errors.New(
			"the daemon has other settings than this command; leave --config and variables BOUNCETAIL_* out, or stop the daemon first",
		)
	}
	return c, err
}

// apply applies a change while the pipeline pauses. Then it calls then, if that is
// not nil, which may return another memory for the pipeline.
func apply[R any, C change[R]](
	ctx context.Context, s *session, r *control.Request, to C, then func(C) (*pipeline.Memory, error),
) (result R, err error) {
	c, err := s.decode(r, to)
	if err != nil {
		return result, err
	}
	begun := false
	err = s.p.Pause(ctx, func() (m *pipeline.Memory, err error) {
		begun = true
		result, err = to.apply(ctx, &c, s.s.store, r.Log)
		err = canceled(ctx, err)
		if then != nil {
			var failed error
			m, failed = then(to)
			err = errors.Join(err, failed)
		}
		return m, err
	})
	if !begun && errors.Is(err, pipeline.ErrReadAgain) {
		err = fmt.Errorf(
			"nothing was done, because the daemon could not save what it had read before; repeat the command when it can: %w",
			err,
		)
	}
	return result, err
}

// reloadMemory returns the memory of the pipeline as it is stored. The one before
// names people who were forgotten.
func (s *session) reloadMemory() (*pipeline.Memory, error) {
	streams, entries, err := s.s.store.Load(context.Background()) // also for a client that is gone
	if err != nil {
		return nil, err
	}
	q := queue.New()
	q.Lifetime = s.c.QueueLifetime
	if err := q.Restore(entries); err != nil {
		return nil, err
	}
	clear(s.s.parsers)
	s.s.queue = q
	parsed := make(map[int64]bounce.ParserState, len(streams))
	for i := range streams {
		parsed[streams[i].Stream] = streams[i].Parser
	}
	return &pipeline.Memory{Queue: q, Parsed: parsed}, nil
}
