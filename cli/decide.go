package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// allow and block are the subcommands of recipients that decide about addresses.
func (a *app) allow() *cobra.Command {
	return a.decide(recipient.Allow, "Treat addresses as ok, whatever the log says",
		"Allow treats addresses as ok until that is taken back with recipients unset, or\n"+
			"until the time that --until names: also where they have failed or fail again.\n")
}

func (a *app) block() *cobra.Command {
	return a.decide(recipient.Block, "Treat addresses as bad, whatever the log says",
		"Block treats addresses as bad until that is taken back with recipients unset, or\n"+
			"until the time that --until names: also where they never failed or are reached.\n")
}

const decideHelp = "Exports, cursors and maps see it as any other change. The daemon may be running."

func (a *app) decide(decision, short, long string) *cobra.Command {
	var note, until string
	c := &cobra.Command{Use: decision + " ADDRESS…", Short: short, Long: long + decideHelp}
	c.Flags().StringVar(&note, "note", "", "why, as `TEXT` that is kept with it")
	c.Flags().StringVar(&until, "until", "", "when it ends: 30d, `2026-12-31` (when that day begins), or RFC 3339; else it has no end")
	return a.withDecision(c, map[string]string{recipient.Allow: "%s allowed", recipient.Block: "%s blocked"}[decision], func() (d daemon.Decide, err error) {
		d.Decision, d.Note = decision, note
		if until != "" {
			if d.Until, err = when.Future(until, a.now()); err != nil {
				err = usageError{fmt.Errorf("--until: %w", err)}
			}
		}
		return d, err
	})
}

// unset is the subcommand of recipients that takes decisions back.
func (a *app) unset() *cobra.Command {
	return a.withDecision(&cobra.Command{
		Use:   "unset ADDRESS…",
		Short: "Take back what was decided by allow or block",
		Long:  "Unset lets the state of addresses follow from the log again. What was decided stays\nin the list of recipients decisions --all. " + decideHelp,
	}, "Decisions on %s taken back", func() (daemon.Decide, error) { return daemon.Decide{Decision: recipient.Unset}, nil })
}

// withDecision completes a command that decides about addresses, which arguments and a file
// name. Done is the sentence that it prints before what has changed.
func (a *app) withDecision(c *cobra.Command, done string, decision func() (daemon.Decide, error)) *cobra.Command {
	from := fromFile(c)
	return a.withResult(c, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		on, err := a.addresses(args, *from)
		if err != nil {
			return nil, "", err
		}
		d, err := decision()
		if err != nil {
			return nil, "", err
		}
		d.Addresses = on
		changes, err := d.Run(ctx, settings)
		if unknown, is := errors.AsType[address.Error](err); is {
			err = usageError{unknown}
		}
		return struct {
			Addresses int `json:"addresses"`
			report.Changes
		}{len(on), report.Changes(changes)}, fmt.Sprintf(done, text.Amount(len(on), "address")) + ": " + report.Effect(changes), err
	})
}

// fromFile adds --from-file to a command that takes addresses.
func fromFile(c *cobra.Command) *string {
	return c.Flags().String("from-file", "", "also the addresses in `FILE`, one a line; - is standard input")
}

// addresses reads the addresses that a command was given, each once.
func (a *app) addresses(args []string, from string) ([]bounce.Address, error) {
	on, err := a.givenAddresses(args, from)
	slices.SortFunc(on, func(a, b bounce.Address) int { return strings.Compare(a.Normal, b.Normal) })
	return slices.CompactFunc(on, func(a, b bounce.Address) bool { return a.Normal == b.Normal }), err
}

// givenAddresses reads the addresses that a command was given. Those of its arguments
// may be unusual.
func (a *app) givenAddresses(args []string, from string) (on []bounce.Address, err error) {
	for _, one := range args {
		to := address.Asked(one)
		if to.Normal == "" {
			return nil, usageError{address.Unusual(to)}
		}
		on = append(on, to)
	}
	if from != "" {
		more, err := address.GivenInFile("--from-file", from, a.input)
		if err != nil {
			return nil, err
		}
		on = append(on, more...)
	}
	if len(on) == 0 {
		return nil, usageError{errors.New("no address given; name some, or a file of them with --from-file")}
	}
	return on, nil
}

// decisions is the subcommand of recipients that lists what was decided.
func (a *app) decisions() *cobra.Command {
	var all bool
	c := a.withList(&cobra.Command{
		Use:   "decisions",
		Short: "List what was decided by allow and block, the last first",
		Args:  cobra.NoArgs,
	}, report.DecisionColumns, "Nothing was decided by hand.", func(ctx context.Context, r *query.Reader, l *table.List) error {
		return r.Decisions(ctx, all, func(d *recipient.Decision) error { return l.Row(d, report.DecisionCells(d)...) })
	})
	c.Flags().BoolVar(&all, "all", false, "also those that have ended")
	return c
}
