package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) incidents() *cobra.Command {
	var flags listFlags
	var chosen choice
	var f incidents.Filter
	c := &cobra.Command{
		Use:   "incidents [NUMBER]",
		Short: "Show problems that hit many addresses at once, and your own",
		Long: "Incidents lists what is not about one recipient: a provider that refuses you, your IP\n" +
			"on a blocklist, a domain that cannot be reached, addresses that are refused together.\n" +
			"Each is shown once, however many addresses it hit, those that are open first. With a\n" +
			"number it shows one of them with its senders, replies, and what to do. With --fleet it\n" +
			"lists those of all hosts, and the argument is HOST/NUMBER.\n\n" +
			"The daemon looks for incidents once a minute, an import at its end.",
		Example: "  bouncetail incidents\n  bouncetail incidents 17\n  bouncetail recipients --incident 17",
		Args:    cobra.MaximumNArgs(1),
	}
	c.Flags().StringVar(&chosen.Since, "since", "7d", "open, or with a failure since `TIME`: "+when.Forms)
	c.Flags().IntVar(&f.Addresses, "addresses", 0, "only what hit at least `N` addresses (default: incidents.addresses of the settings); problems of your own need 3, and a blocklist 1")
	fleetFlag(c)
	c.Flags().BoolVar(&f.Open, "open", false, "only those that are open")
	flags.add(c, report.IncidentColumns)
	c.AddCommand(a.silence(), a.silences(), a.unsilence(), a.backtest())
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			a.asJSON = flags.JSON
			return a.incident(cmd, args[0])
		}
		since, err := chosen.parse(a.now())
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("addresses") && f.Addresses < 1 {
			return usageError{fmt.Errorf("--addresses: %d is less than 1", f.Addresses)}
		}
		if f.Addresses == 0 {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			f.Addresses = settings.Incidents.Addresses
		}
		f.Since = since.Since
		none := fmt.Sprintf("No problem of your own, and nothing that hit %s or more at once, since %s.", text.Amount(f.Addresses, "address"), a.zone().Short(f.Since))
		return a.ask(cmd, func(r daemon.Answers, _ func(bounce.Address) (bounce.Address, error)) error {
			l, err := flags.open(a, report.IncidentColumns)
			if err != nil {
				return err
			}
			all, err := r.Incidents(cmd.Context(), f)
			if err := table.Rows(l, all, err, report.IncidentCells); err != nil {
				return err
			}
			if err := l.End(none); err != nil || f.Open || l.Format != "table" && len(all) > 0 {
				return err
			}
			f.Since = ""
			ever, err := r.Incidents(cmd.Context(), f)
			if older := len(ever) - len(all); older > 0 {
				a.remark("%s; --since %s shows all.", text.Amount(older, "older incident"), a.zone().Short(ever[len(ever)-1].LastAt)[:len(time.DateOnly)])
			}
			return err
		})
	}
	return c
}

// incident shows one incident.
func (a *app) incident(cmd *cobra.Command, name string) error {
	inFleet, _ := cmd.Flags().GetBool("fleet")
	host, id, err := incidents.ParseName(name, inFleet)
	if err != nil {
		return usageError{err}
	}
	return a.ask(cmd, func(r daemon.Answers, _ func(bounce.Address) (bounce.Address, error)) error {
		d, err := r.Incident(cmd.Context(), host, id)
		if err != nil {
			return err
		}
		return a.show(d, func() error { return report.PrintIncident(cmd.Context(), r, a.screen(), a.zone(), d, a.now()) })
	})
}

func (a *app) silence() *cobra.Command {
	var s daemon.Silence
	c := &cobra.Command{
		Use:     "silence KIND[/SUBJECT]",
		Short:   "Send no notice of some incidents for a time",
		Example: "  bouncetail incidents silence provider-refuses/google --for 8h --note 'ticket'",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&s.For, "for", "8h", "how `LONG`: 8h, 7d")
	c.Flags().StringVar(&s.Note, "note", "", "why, as `TEXT` that is kept with it")
	return a.withResult(c, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		s.Of = args[0]
		if err := s.Check(a.now()); err != nil {
			return nil, "", usageError{err}
		}
		made, err := s.Run(ctx, settings, a.now())
		return made, fmt.Sprintf("Silence %d: no notice of %s until %s (%s).", made.ID, text.Printable(s.Of), a.zone().Short(made.Until), a.zone().Name()), err
	})
}

func (a *app) silences() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   "silences",
		Short: "List the silences in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.list(cmd.Context(), &flags, report.SilenceColumns, "No silence is in force.", func(r *query.Reader, l *table.List) error {
				all, err := incidents.Silences(cmd.Context(), r.Querier(), a.now())
				return table.Rows(l, all, err, report.SilenceCells)
			})
		},
	}
	flags.add(c, report.SilenceColumns)
	return c
}

func (a *app) unsilence() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "unsilence NUMBER",
		Short: "End a silence",
		Args:  cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return nil, "", usageError{fmt.Errorf("%q is not the number of a silence; bouncetail incidents silences lists them", args[0])}
		}
		return did{"id": id}, fmt.Sprintf("Silence %d ended.", id), daemon.EndSilence(ctx, settings, id, a.now())
	})
}

func (a *app) backtest() *cobra.Command {
	var flags listFlags
	var b daemon.Backtest
	c := &cobra.Command{
		Use:   "backtest",
		Short: "Show which incidents other settings would have found",
		Long: "Backtest looks for incidents in what is stored, with other settings, and stores\n" +
			"nothing. \"rang_at\" is when a notice would have been sent. Windows of providers begin\n" +
			"with the version that has them, and are kept in five minutes for 14 days.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&b.Since, "since", "14d", "from `TIME` on: "+when.Forms)
	c.Flags().StringVar(&b.Sensitivity, "sensitivity", "normal", "`LEVEL`: low, normal or high")
	c.Flags().IntVar(&b.Addresses, "addresses", 10, "only what hit at least `N` addresses")
	c.Flags().DurationVar(&b.Gap, "gap", 6*time.Hour, "how `LONG` a pause ends an incident")
	flags.add(c, report.IncidentColumns)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := b.Check(a.now()); err != nil {
			return usageError{err}
		}
		return a.list(cmd.Context(), &flags, report.IncidentColumns, "Nothing would have been found.", func(r *query.Reader, l *table.List) error {
			all, err := b.Run(cmd.Context(), r, a.now())
			return table.Rows(l, all, err, report.IncidentCells)
		})
	}
	return c
}
