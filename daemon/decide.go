package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/web"
)

// Decide decides about addresses by hand.
type Decide struct {
	Decision  string           // recipient.Allow, recipient.Block or recipient.Unset
	Addresses []bounce.Address // not hashed
	Note      string
	Until     time.Time // zero is for ever
	By        string    // the user of the pages; empty for a command
}

// Run decides, next to a daemon that may write the database.
func (d *Decide) Run(ctx context.Context, c config.Config) (changes recipient.Changes, err error) {
	h, err := OpenHasher(c.Privacy)
	if err != nil {
		return changes, err
	}
	e, err := sqlite.OpenEditor(ctx, c.Database)
	if err != nil {
		return changes, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.UseKey(ctx, h.ID()); err != nil {
		return changes, err
	}
	on := make([]bounce.Address, len(d.Addresses))
	for i, to := range d.Addresses {
		on[i] = h.Hashed(to)
	}
	if d.Decision == recipient.Unset {
		return e.Withdraw(ctx, on)
	}
	for i, to := range d.Addresses {
		doubt := address.Doubt(to)
		if doubt == nil {
			continue
		}
		if known, err := e.Knows(ctx, on[i]); err != nil || !known {
			return changes, cmp.Or(err, doubt)
		}
	}
	return e.Decide(ctx, d.Decision, on, d.Note, d.Until)
}

func (d *Decide) settings(c *config.Config) any { return c.Privacy }

// Mark decides about the failures of some time: they were an outage, or were none.
type Mark struct {
	Kind   string // recipient.KindRelease or recipient.KindConfirm
	Of     recipient.Release
	DryRun bool
	Undo   int64  // the number of the release or the confirmation to withdraw
	By     string // the user of the pages; empty for a command
}

// Run decides, next to a daemon that may write the database.
func (m *Mark) Run(ctx context.Context, c config.Config) (marked report.Marked, err error) {
	e, err := sqlite.OpenEditor(ctx, c.Database)
	if err != nil {
		return marked, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	done, err := m.run(ctx, e)
	return report.Marked{
		ID: done.ID, Failures: done.Failures, Recipients: done.Recipients, Changes: report.Changes(done.Changes),
		DryRun: m.DryRun, Undone: m.Undo != 0,
	}, err
}

func (m *Mark) run(ctx context.Context, e *sqlite.Editor) (sqlite.Released, error) {
	confirm := m.Kind == recipient.KindConfirm
	switch {
	case confirm && m.Undo != 0:
		return e.WithdrawConfirm(ctx, m.Undo)
	case confirm:
		return e.Confirm(ctx, m.Of, m.DryRun)
	case m.Undo != 0:
		return e.WithdrawRelease(ctx, m.Undo)
	}
	return e.Release(ctx, m.Of, m.DryRun)
}

func (m *Mark) settings(*config.Config) any { return nil }

// runDecision runs a decision that a user of the pages has made. The process of the pages
// cannot write the database.
func runDecision[R any](ctx context.Context, s *session, r *control.Request, to interface {
	settings(c *config.Config) any
	Run(ctx context.Context, c config.Config) (R, error)
	by() (user, what string) // for the log
},
) (result R, err error) {
	c, err := s.decode(r, to)
	if err != nil {
		return result, err
	}
	if !c.Web.Write {
		return result, errors.New("web.write is false in the settings of the daemon")
	}
	result, err = to.Run(ctx, c)
	if user, what := to.by(); err == nil && what != "" {
		s.log.Info("a user of the pages has decided", "user", user, "decision", what)
	}
	return result, canceled(ctx, err)
}

func (d *Decide) by() (user, what string) { return d.By, d.Decision }

func (m *Mark) by() (user, what string) {
	switch {
	case m.Undo != 0:
		return m.By, fmt.Sprintf("withdraw %s %d", m.Kind, m.Undo)
	case m.DryRun:
		return m.By, ""
	}
	return m.By, m.Kind
}

// pageWriter is the web.Writer that has the daemon write.
type pageWriter struct {
	c   config.Config
	log *slog.Logger
}

// Decide decides about an address.
func (w pageWriter) Decide(ctx context.Context, d web.Decision) (changes recipient.Changes, err error) {
	err = w.send(ctx, "decide", &Decide{
		Decision:  d.Decision,
		Addresses: []bounce.Address{d.Address},
		Note:      d.Note,
		Until:     d.Until,
		By:        d.By,
	}, &changes)
	return changes, err
}

// Mark decides about the failures of some time.
func (w pageWriter) Mark(ctx context.Context, m web.Mark) (marked report.Marked, err error) {
	err = w.send(ctx, "mark", &Mark{Kind: m.Kind, Of: m.Of, DryRun: m.DryRun, Undo: m.Undo, By: m.By}, &marked)
	return marked, err
}

// send has the daemon make a decision.
func (w pageWriter) send(ctx context.Context, name string, to interface{ settings(c *config.Config) any }, result any) error {
	_, err := atWriter(ctx, w.c, w.log, func(client *control.Client) (none struct{}, err error) {
		err = client.Call(ctx, name, command{settingsText(to.settings(&w.c)), to}, nil, result)
		if err != nil && ctx.Err() != nil {
			return none, errors.New("the daemon is busy with another command, such as an import; try again when it is done")
		}
		return none, fromDaemon(err)
	}, func() (none struct{}, err error) {
		return none, errors.New("no daemon runs that could write it: systemctl start bouncetail")
	})
	return err
}
