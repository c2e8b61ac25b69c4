package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/table"
)

// crowd is a crowd as it is shown. Its keys are the columns of the table crowds.
type crowd struct {
	ID        int64              `json:"id"`
	Kind      recipient.UnitKind `json:"kind"`
	Unit      string             `json:"unit"`
	StartedAt string             `json:"started_at"`
	LastAt    string             `json:"last_at"`
	EndedAt   string             `json:"ended_at"`
	Addresses int                `json:"addresses"`
	Refused   int                `json:"refused"`
	Attempts  int                `json:"attempts"`
	Domains   []string           `json:"domains"`
	Frozen    bool               `json:"frozen"`
	// The commands that make its addresses bad, and ok. Those of a provider or a
	// relay are for one domain, and empty if none is asked for.
	Confirm string `json:"confirm,omitempty"`
	Release string `json:"release,omitempty"`
}

func newCrowd(c *recipient.Crowd, domain string, now time.Time) crowd {
	shown := crowd{
		ID: c.ID, Kind: c.Unit.Kind, Unit: c.Unit.Name, StartedAt: c.Start, LastAt: c.Last, EndedAt: c.End,
		Addresses: c.Addresses, Refused: c.Refused, Attempts: c.Attempts, Domains: c.Domains, Frozen: c.Frozen,
	}
	if shown.Domains == nil {
		shown.Domains = []string{}
	}
	shown.Confirm, shown.Release = shown.command("confirm", domain, now), shown.command("release", domain, now)
	return shown
}

// readCrowds reads the crowds and the confirmations of the attempts.
func (l *history) readCrowds(ctx context.Context, r *sqlite.Reader) error {
	l.Crowds, l.Confirms = []crowd{}, []recipient.Release{}
	all, err := r.Crowds(ctx, "")
	if err != nil {
		return err
	}
	for i := range all {
		if slices.ContainsFunc(l.Attempts, func(t sqlite.Attempt) bool { return t.Crowd == all[i].ID }) {
			l.Crowds = append(l.Crowds, newCrowd(&all[i], l.Domain, l.a.now()))
		}
	}
	confirms, err := r.Confirms(ctx)
	if err != nil {
		return err
	}
	for _, o := range confirms {
		if slices.ContainsFunc(l.Attempts, func(t sqlite.Attempt) bool { return t.Confirm == o.ID }) {
			l.Confirms = append(l.Confirms, o)
		}
	}
	if l.limits, err = r.CrowdLimits(ctx); err != nil {
		return err
	}
	if l.State == bounce.StateSuspect && len(l.Crowds) > 0 {
		c := &l.Crowds[len(l.Crowds)-1]
		l.Clears = "a delivery to it that succeeds; a further refusal after " + l.a.zone().Short(c.EndedAt) + " makes it bad"
	}
	return nil
}

// command returns the command that confirms or releases the failures of a crowd.
func (c *crowd) command(verb, domain string, now time.Time) string {
	since, end := bounce.ParseStamp(c.StartedAt), bounce.ParseStamp(c.EndedAt).Add(time.Second).Truncate(time.Second)
	command := "bouncetail recipients " + verb + " --since " + since.Format(time.RFC3339)
	if end.Before(now) {
		command += " --until " + end.Format(time.RFC3339)
	}
	switch c.Kind {
	case recipient.UnitDomain:
		command += " --domain " + shellWord(c.Unit)
	case recipient.UnitDNS, recipient.UnitHost:
		command += " --reason " + string(bounce.NoSuchDomain)
	case recipient.UnitProvider, recipient.UnitRelay:
		if domain == "" {
			return ""
		}
		command += " --domain " + shellWord(domain)
	}
	return command
}

// shellWord returns a text as one word of a shell command. Strangers choose the names
// of domains.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(text.Printable(s), "'", `'\''`) + "'"
}

// where says what the refusals of a crowd have in common.
func (c *crowd) where() string {
	switch c.Kind {
	case recipient.UnitDomain:
		return "at " + c.Unit
	case recipient.UnitProvider:
		return fmt.Sprintf("at the provider %s, in %s", c.Unit, text.Amount(len(c.Domains), "domain"))
	case recipient.UnitRelay:
		return fmt.Sprintf("by the servers of %s, in %s", c.Unit, text.Amount(len(c.Domains), "domain"))
	case recipient.UnitHost:
		return "whose mail " + c.Unit + " was not found"
	case recipient.UnitDNS:
	}
	return "not found in the DNS"
}

// tellCrowds shows the crowds of an address, and the limits that make them.
func (l *history) tellCrowds(w io.Writer) {
	for i := range l.Crowds {
		c := &l.Crowds[i]
		of := ""
		if c.Attempts > 0 {
			of = fmt.Sprintf(" (%.0f %% of %s)", 100*float64(c.Refused)/float64(c.Attempts), text.Amount(c.Attempts, "attempt"))
		}
		what := text.Amount(c.Addresses, "address") + " that accepted mail " + text.Verb(c.Addresses, "was", "were") + " refused"
		switch c.Kind {
		case recipient.UnitDNS:
			what = text.Amount(c.Addresses, "domain") + " that accepted mail " + text.Verb(c.Addresses, "was", "were")
		case recipient.UnitHost:
			what = text.Amount(c.Addresses, "domain") + " for"
		case recipient.UnitDomain, recipient.UnitProvider, recipient.UnitRelay:
		}
		fmt.Fprintf(w, "  %-15s %s\n", fmt.Sprintf("crowd %d", c.ID), text.Wrap(text.Printable(fmt.Sprintf("%s to %s: %s %s%s", l.a.zone().Short(c.StartedAt), l.a.zone().Short(c.EndedAt), what, c.where(), of)), l.a.screen().ProseWidth(), 18))
	}
	if len(l.Crowds) > 0 && l.limits.Addresses > 0 {
		fmt.Fprintf(w, "  a crowd is      %s\n", text.Wrap(limits(l.Crowds[len(l.Crowds)-1].Kind, l.limits)+" (crowds in the settings)", l.a.screen().ProseWidth(), 18))
	}
}

// limits says from when on refusals are a crowd.
func limits(kind recipient.UnitKind, l bounce.CrowdLimits) string {
	switch kind {
	case recipient.UnitHost:
		return fmt.Sprintf("%s or more within an hour", text.Amount(l.Domains, "domain"))
	case recipient.UnitDNS:
		return fmt.Sprintf("%s or more that make up at least %.0f %% of those written to, the fewest 10 %%", text.Amount(l.Domains, "domain"), 0.3*float64(l.Share))
	case recipient.UnitProvider, recipient.UnitRelay:
		return fmt.Sprintf("%s or more, in %s, that make up at least %d %%, the fewest 60 %%", text.Amount(l.Addresses, "address"), text.Amount(l.Domains, "domain"), l.Share)
	case recipient.UnitDomain:
	}
	return fmt.Sprintf("%s or more that make up at least %d %%, the fewest 60 %%, and %d times what is usual", text.Amount(l.Addresses, "address"), l.Share, l.Usual)
}

// tellCommands shows the commands that decide for all addresses of a crowd.
func (l *history) tellCommands(w io.Writer) error {
	if l.State != bounce.StateSuspect || len(l.Crowds) == 0 {
		return nil
	}
	c := &l.Crowds[len(l.Crowds)-1]
	of := "of the crowd"
	if c.Kind == recipient.UnitProvider || c.Kind == recipient.UnitRelay {
		of += " at " + l.Domain
	}
	_, err := fmt.Fprintf(w, "If all addresses %s are dead:\n  %s\nIf it was an outage:\n  %s\n", of, c.Confirm, c.Release)
	return err
}

// confirm is the subcommand of recipients for a crowd that is no outage.
func (a *app) confirm() *cobra.Command {
	var chosen outage
	var dry bool
	var undo int64
	c := &cobra.Command{
		Use:   "confirm",
		Short: "Make the suspects of a crowd bad",
		Long: "Confirm says that a crowd of refused addresses is no outage: the addresses are dead,\n" +
			"such as those of a company that has closed. They become bad, and so do those whose\n" +
			"failures of that time are read later. The daemon may be running.",
		Args: cobra.NoArgs,
	}
	chosen.flags(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "only say how many it would be")
	c.Flags().Int64Var(&undo, "undo", 0, "take the confirmation with this `NUMBER` back; recipients confirms lists them")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var r recipient.Release
		if undo == 0 {
			var err error
			if r, err = chosen.parse(a.now()); err != nil {
				return usageError{err}
			}
		} else if cmd.Flags().NFlag() > 1 && (chosen.since != "" || dry) {
			return usageError{errors.New("--undo takes a confirmation back as it was made; leave the other flags out")}
		}
		settings, err := a.settings()
		if err != nil {
			return err
		}
		e, err := sqlite.OpenEditor(cmd.Context(), settings.Database)
		if err != nil {
			return err
		}
		defer e.Close()
		var done sqlite.Released
		if undo != 0 {
			done, err = e.WithdrawConfirm(cmd.Context(), undo)
		} else {
			done, err = e.Confirm(cmd.Context(), r, dry)
		}
		if err != nil {
			return err
		}
		what := text.Amount(done.Failures, "failure") + " of " + text.Amount(done.Recipients, "address")
		switch {
		case dry:
			_, err = fmt.Fprintf(a.stdout, "%s would be confirmed: %s Nothing was changed.\n", what, effect(done.Changes))
		case undo != 0:
			_, err = fmt.Fprintf(a.stdout, "%s no longer confirmed: %s\n", what, effect(done.Changes))
		default:
			_, err = fmt.Fprintf(a.stdout, "Confirmation %d, %s: %s\n", done.ID, what, effect(done.Changes))
		}
		return err
	}
	return c
}

// confirms is the subcommand of recipients that lists what was confirmed.
func (a *app) confirms() *cobra.Command {
	return a.releaseList("confirms", "List the crowds whose failures were confirmed", "Nothing was confirmed.", (*sqlite.Reader).Confirms)
}

// crowdColumns are the columns of the list of crowds.
var crowdColumns = []table.Column{
	{Key: "id"}, {Key: "kind"}, {Key: "unit", Long: true}, {Key: "started_at", Time: true}, {Key: "ended_at", Keep: 3, Time: true},
	{Key: "addresses"}, {Key: "share", Keep: 2}, {Key: "last_at", Time: true, More: true}, {Key: "refused", More: true}, {Key: "attempts", More: true}, {Key: "frozen", More: true},
}

// crowds is the subcommand of recipients that lists the crowds.
func (a *app) crowds() *cobra.Command {
	var flags listFlags
	var since string
	c := &cobra.Command{
		Use:   "crowds",
		Short: "List the outages that made addresses suspect",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from := ""
			if since != "" {
				at, err := when.Past(since, a.now())
				if err != nil {
					return usageError{fmt.Errorf("--since: %w", err)}
				}
				from = bounce.Stamp(at)
			}
			r, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			all, err := r.Crowds(cmd.Context(), from)
			if err != nil {
				return err
			}
			l, err := flags.open(a, crowdColumns)
			if err != nil {
				return err
			}
			for i := range all {
				c := newCrowd(&all[i], "", a.now())
				var part any
				if c.Attempts > 0 {
					part = table.Share(float64(c.Refused) / float64(c.Attempts))
				}
				if err := l.Row(&c, c.ID, string(c.Kind), c.Unit, table.Stamp(c.StartedAt), table.Stamp(c.EndedAt), c.Addresses, part, table.Stamp(c.LastAt), c.Refused, c.Attempts, fmt.Sprint(c.Frozen)); err != nil {
					return err
				}
			}
			return l.End("No crowd of refused addresses was found.")
		},
	}
	flags.add(c, crowdColumns)
	c.Flags().StringVar(&since, "since", "", "only those that ended since `TIME`: 24h, 7d, 2026-11-01, or RFC 3339")
	return c
}
