package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/fleet"
	view "github.com/bouncetail/bouncetail/view/fleet"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) fleet() *cobra.Command {
	c := &cobra.Command{
		Use:   "fleet",
		Short: "Share what several hosts know in one PostgreSQL database",
		Long:  "The commands need the setting fleet.dsn or fleet.dsn_file. docs/fleet.md begins with three servers.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.fleetSend(), a.fleetStatus())
	for _, one := range daemon.FleetCommands {
		c.AddCommand(a.fleetCommand(&cobra.Command{Use: one.Use, Short: one.Short, Long: one.Long, Example: one.Example}, one.Do))
	}
	return c
}

// fleetCommand completes a command that does something in the fleet.
func (a *app) fleetCommand(c *cobra.Command, do func(context.Context, fleet.Settings, []string) (any, string, error)) *cobra.Command {
	c.Args = cobra.ExactArgs(strings.Count(c.Use, " "))
	return a.withResult(c, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		s, err := daemon.Fleet(settings, versionText(), a.logger(settings.Log))
		if err != nil {
			return nil, "", err
		}
		return do(ctx, s, args)
	})
}

// fleetFlag adds --fleet, which ask reads.
func fleetFlag(c *cobra.Command) { c.Flags().Bool("fleet", false, "ask the fleet, see docs/fleet.md") }

// ask calls do with what answers a command: the database, or with --fleet the fleet.
func (a *app) ask(cmd *cobra.Command, do func(daemon.Answers, func(bounce.Address) (bounce.Address, error)) error) error {
	q, err := a.question(cmd)
	if err != nil {
		return err
	}
	return q.Ask(cmd.Context(), do)
}

func (a *app) question(cmd *cobra.Command) (q daemon.Question, err error) {
	if q.Config, err = a.settings(); err != nil {
		return q, err
	}
	q.Fleet, _ = cmd.Flags().GetBool("fleet") // not there is false
	q.Version, q.Log = versionText(), a.logger(q.Config.Log)
	return q, nil
}

func (a *app) fleetSend() *cobra.Command {
	var once bool
	c := a.withResult(&cobra.Command{
		Use:   "send",
		Short: "Send to the fleet what the database holds, and what comes",
		Long: "Send sends failures, and the last deliveries to addresses that failed on any host, and\n" +
			"takes over what other hosts decide by hand and forget. It continues until it is\n" +
			"stopped; the unit bouncetail-fleet.service runs it. If PostgreSQL is away it tries\n" +
			"again, with growing pauses, and then catches up. With publish.from: fleet it also\n" +
			"writes the maps of bad addresses, which stay as they are while PostgreSQL is away.",
		Args: cobra.NoArgs,
	}, func(ctx context.Context, c config.Config, _ []string) (any, string, error) {
		sent, err := daemon.SendToFleet(ctx, c, versionText(), a.logger(c.Log), once)
		if !once {
			return sent, "", err
		}
		return sent, fmt.Sprintf("%s sent, %d of them new to the fleet. %s changed.", text.Amount(sent.Failures, "failure"), sent.New, text.Amount(sent.Recipients, "recipient")), err
	})
	c.Flags().BoolVar(&once, "once", false, "end when everything is sent, or with the first error")
	a.logFlags(c)
	return c
}

func (a *app) fleetStatus() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the hosts of the fleet",
		Long: "Status lists the hosts. It exits with 1 if one of them was not seen for 15 minutes or\n" +
			"has still to forget an address, and with 3 if there is no answer.",
		Args: cobra.NoArgs,
	}
	flags.addWithLimit(c, view.StatusColumns)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := a.question(cmd)
		if err != nil {
			return err
		}
		l, err := flags.open(a, view.StatusColumns)
		if err != nil {
			return err
		}
		all, troubled, err := daemon.FleetStatus(cmd.Context(), &q)
		if err := table.Rows(l, all, err, view.StatusCells); err != nil {
			return err
		}
		if err := l.End("No host has sent anything yet. Enable bouncetail-fleet.service on each."); err != nil || !troubled {
			return err
		}
		return exitCode(exitYours)
	}
	return c
}
