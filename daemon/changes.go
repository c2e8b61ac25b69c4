package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/queue"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

// A change is a command that needs the writer of the database. It runs in the daemon
// that writes the database, or here if none does; see write. It is passed to the
// daemon as JSON, and so is its result.
type change[R any] interface {
	// settings returns the settings that decide on the result.
	settings(c *config.Config) any
	// apply changes the database. In a daemon, c are its settings as they are in the
	// file now.
	apply(ctx context.Context, c *config.Config, s *sqlite.Store, log *slog.Logger) (R, error)
}

// Forget deletes every trace of people.
type Forget struct {
	People       []bounce.Address // not hashed
	LeaveNothing bool             // see sqlite.Forgetting
	DryRun       bool
}

// Parse adds the people that somebody named, each once.
func (f *Forget) Parse(given []string) error {
	seen := make(map[string]bool)
	for _, one := range given {
		to, err := address.Person(one)
		if err != nil {
			return err
		}
		if !seen[to.Normal] {
			seen[to.Normal] = true
			f.People = append(f.People, to)
		}
	}
	if len(f.People) == 0 {
		return errors.New("no address; give one such as jane@example.com, or --from-file")
	}
	return nil
}

// Who names the people for a sentence.
func (f *Forget) Who() string {
	if len(f.People) == 1 {
		return text.Printable(f.People[0].Normal)
	}
	return text.Amount(len(f.People), "address")
}

// Run returns what was deleted, or would be. If it returns that with an error, the
// rows are gone, but not their remains in the files.
func (f *Forget) Run(ctx context.Context, c config.Config, log *slog.Logger) ([]query.Count, error) {
	return write(ctx, c, "forget", f, log)
}

func (f *Forget) settings(c *config.Config) any { return c.Privacy }

func (f *Forget) apply(ctx context.Context, c *config.Config, s *sqlite.Store, _ *slog.Logger) ([]query.Count, error) {
	return forgetPeople(ctx, c, s, &sqlite.Forgetting{LeaveNothing: f.LeaveNothing, DryRun: f.DryRun}, f.People)
}

// forgetPeople deletes every trace of people, whose addresses may be hashed.
func forgetPeople(
	ctx context.Context, c *config.Config, s *sqlite.Store, f *sqlite.Forgetting, people []bounce.Address,
) ([]query.Count, error) {
	h, err := OpenHasher(c.Privacy)
	if err != nil {
		return nil, err
	}
	if err := s.UseKey(ctx, h.ID()); err != nil {
		return nil, err
	}
	f.Queue, f.Parser, f.Now = queue.Scrub, h.Sealed(logparse.ScrubState), time.Now()
	for _, to := range people {
		spelled := []string{to.Normal, address.Unicode(to)}
		if h != nil {
			to = h.Hashed(to)
			spelled = append(spelled, address.Unicode(to))
		}
		f.People = append(f.People, to)
		for _, s := range spelled {
			if s != to.Normal {
				f.Spellings = append(f.Spellings, s)
			}
		}
	}
	return s.Forget(ctx, f)
}

// Reclassify judges all stored records again.
type Reclassify struct {
	classifier *classify.Classifier // that it used
}

// Run returns what has changed.
func (r *Reclassify) Run(ctx context.Context, c config.Config, log *slog.Logger) (*report.VerdictChanges, error) {
	if _, err := classify.New(c.Rules); err != nil {
		return nil, err
	}
	return write(ctx, c, "reclassify", r, log)
}

func (r *Reclassify) settings(c *config.Config) any { return c.Rules }

func (r *Reclassify) apply(ctx context.Context, c *config.Config, s *sqlite.Store, _ *slog.Logger) (*report.VerdictChanges, error) {
	var err error
	if r.classifier, err = classify.New(c.Rules); err != nil {
		return nil, err
	}
	changes := &report.VerdictChanges{}
	_, err = s.Rejudge(ctx, func(d *bounce.Delivery) bounce.Verdict {
		changes.Judged(1)
		return r.classifier.Verdict(d)
	}, func(old *query.Stored, now bounce.Verdict) {
		changes.Judged(-1) // Note counts it
		changes.Note(old.Delivery.Reply.Text, old.Verdict, now)
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// Rebuild makes the table recipients from the stored records again.
type Rebuild struct{}

// Run returns how many rows were wrong.
func (r *Rebuild) Run(ctx context.Context, c config.Config, log *slog.Logger) (int, error) {
	return write(ctx, c, "rebuild", r, log)
}

func (r *Rebuild) settings(c *config.Config) any { return policyOf(c.Policy, c.Crowds) }

func (r *Rebuild) apply(ctx context.Context, c *config.Config, s *sqlite.Store, log *slog.Logger) (int, error) {
	if err := UsePolicy(ctx, s, c, log); err != nil {
		return 0, err
	}
	return s.Rebuild(ctx)
}

// Prune deletes what is older than the settings keep it.
type Prune struct{}

// Run returns what was deleted.
func (p *Prune) Run(ctx context.Context, c config.Config, log *slog.Logger) ([]query.Count, error) {
	return write(ctx, c, "prune", p, log)
}

func (p *Prune) settings(c *config.Config) any { return retention(c) }

func (p *Prune) apply(ctx context.Context, c *config.Config, s *sqlite.Store, log *slog.Logger) ([]query.Count, error) {
	return prune(ctx, s, retention(c), time.Now(), log)
}

// retention returns what Prune keeps.
func retention(c *config.Config) sqlite.Retention {
	r := &c.Retention
	return sqlite.Retention{
		Bounces:       r.Bounces,
		Recipients:    r.Recipients,
		Successes:     r.Successes,
		DailyCounts:   r.DailyCounts,
		Positions:     r.Positions,
		Gaps:          r.Gaps,
		UnparsedLines: r.UnparsedLines,
		Incidents:     r.Incidents,
		Fleet:         c.Fleet.Configured(),
		MaxLag:        c.Fleet.MaxLag,
	}
}

// Prunable returns what Prune would delete.
func Prunable(ctx context.Context, c config.Config, now time.Time) ([]query.Count, error) {
	r, err := query.OpenReader(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return sqlite.Prunable(ctx, r, retention(&c), now)
}

// write applies a change in the daemon that writes the database, or here if none does.
func write[R any](ctx context.Context, c config.Config, name string, to change[R], log *slog.Logger) (result R, err error) {
	if err := dbfile.CheckUsable(ctx, c.Database); err != nil { // it describes what is wrong, and creates nothing
		return result, err
	}
	return atWriter(ctx, c, log, func(client *control.Client) (result R, err error) {
		// With an older schema, the daemon is of an older version.
		r, err := query.OpenReader(ctx, c.Database)
		if err != nil {
			return result, err
		}
		if err := r.Close(); err != nil {
			return result, err
		}
		err = client.Call(ctx, name, command{settingsText(to.settings(&c)), to}, nil, &result)
		return result, fromDaemon(err)
	}, func() (result R, err error) {
		store, err := sqlite.Open(ctx, c.Database, log)
		if err != nil {
			return result, err
		}
		result, err = to.apply(ctx, &c, store, log)
		return result, canceled(ctx, errors.Join(err, store.Close()))
	})
}
