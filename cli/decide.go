package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// allow and block are the subcommands of recipients that decide about addresses.
func (a *app) allow() *cobra.Command {
	return a.decide(recipient.Allow, "Hold addresses to be ok, whatever the log says",
		"Allow holds addresses to be ok until that is taken back with recipients unset, or\n"+
			"until the time that --until names: also where they have failed or fail again.\n")
}

func (a *app) block() *cobra.Command {
	return a.decide(recipient.Block, "Hold addresses to be bad, whatever the log says",
		"Block holds addresses to be bad until that is taken back with recipients unset, or\n"+
			"until the time that --until names: also where they never failed or are reached.\n")
}

const decideHelp = "Exports, cursors and maps see it as any other change. The daemon may be running."

func (a *app) decide(decision, short, long string) *cobra.Command {
	var from, note, until string
	var asJSON bool
	c := &cobra.Command{
		Use:   decision + " ADDRESS…",
		Short: short,
		Long:  long + decideHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			var end time.Time
			if until != "" {
				var err error
				if end, err = when.Future(until, a.now()); err != nil {
					return usageError{fmt.Errorf("--until: %w", err)}
				}
			}
			return a.edit(cmd.Context(), args, from, func(e *sqlite.Editor, on []bounce.Address) error {
				changes, err := e.Decide(cmd.Context(), decision, on, note, end)
				if err != nil {
					return err
				}
				done := map[string]string{recipient.Allow: "allowed", recipient.Block: "blocked"}[decision]
				return a.decided(asJSON, len(on), changes, text.Amount(len(on), "address")+" "+done)
			})
		},
	}
	jsonFlag(c, &asJSON)
	c.Flags().StringVar(&note, "note", "", "why, as `TEXT` that is kept with it")
	c.Flags().StringVar(&until, "until", "", "when it ends: 30d, `2026-12-31` (when that day begins), or RFC 3339; else it has no end")
	fromFile(c, &from)
	return c
}

// decided prints what a decision about n addresses changed.
func (a *app) decided(asJSON bool, n int, changes recipient.Changes, sentence string) error {
	if asJSON {
		return table.Objects(a.stdout).Encode(struct {
			Addresses int `json:"addresses"`
			report.Changes
		}{n, report.Changes(changes)})
	}
	_, err := fmt.Fprintf(a.stdout, "%s: %s\n", sentence, report.Effect(changes))
	return err
}

func fromFile(c *cobra.Command, from *string) {
	c.Flags().StringVar(from, "from-file", "", "also the addresses in `FILE`, one a line; - is standard input")
}

// unset is the subcommand of recipients that takes decisions back.
func (a *app) unset() *cobra.Command {
	var from string
	var asJSON bool
	c := &cobra.Command{
		Use:   "unset ADDRESS…",
		Short: "Take back what was decided by allow or block",
		Long:  "Unset lets the state of addresses follow from the log again. What was decided stays\nin the list of recipients decisions --all. " + decideHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.edit(cmd.Context(), args, from, func(e *sqlite.Editor, on []bounce.Address) error {
				changes, err := e.Withdraw(cmd.Context(), on)
				if err != nil {
					return err
				}
				return a.decided(asJSON, len(on), changes, "Decisions on "+text.Amount(len(on), "address")+" taken back")
			})
		},
	}
	fromFile(c, &from)
	jsonFlag(c, &asJSON)
	return c
}

// edit has the addresses changed by hand that are named as arguments and in a
// file.
func (a *app) edit(ctx context.Context, args []string, from string, do func(*sqlite.Editor, []bounce.Address) error) error {
	on, err := a.addresses(args, from)
	if err != nil {
		return err
	}
	settings, h, err := a.hashing()
	if err != nil {
		return err
	}
	e, err := sqlite.OpenEditor(ctx, settings.Database)
	if err != nil {
		return err
	}
	if err = e.UseKey(ctx, h.ID()); err == nil {
		for i, to := range on {
			on[i] = h.Hashed(to)
		}
		err = do(e, on)
	}
	err = errors.Join(err, e.Close())
	if none, is := errors.AsType[sqlite.BadAddress](err); is {
		return usageError{none}
	}
	return err
}

// addresses reads the addresses that a command was given, each once.
func (a *app) addresses(args []string, from string) ([]bounce.Address, error) {
	on, err := a.givenAddresses(args, from)
	slices.SortFunc(on, func(a, b bounce.Address) int { return strings.Compare(a.Normal, b.Normal) })
	return slices.CompactFunc(on, func(a, b bounce.Address) bool { return a.Normal == b.Normal }), err
}

// givenAddresses reads the addresses that a command was given.
func (a *app) givenAddresses(args []string, from string) ([]bounce.Address, error) {
	var on []bounce.Address
	for _, arg := range args {
		to, err := checkedAddress(arg)
		if err != nil {
			return nil, usageError{err}
		}
		on = append(on, to)
	}
	if from != "" {
		in, name := a.input, "standard input"
		if from != "-" {
			f, err := os.Open(from)
			if err != nil {
				return nil, fmt.Errorf("--from-file: %w", err)
			}
			defer f.Close()
			in, name = f, from
		}
		listed, err := addressList(in, name)
		if err != nil {
			return nil, err
		}
		on = append(on, listed...)
	}
	if len(on) == 0 {
		return nil, usageError{errors.New("no address given; name some, or a file of them with --from-file")}
	}
	return on, nil
}

// addressList reads one address a line; empty lines and those that begin with #
// are passed over.
func addressList(in io.Reader, name string) ([]bounce.Address, error) {
	var on []bounce.Address
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		to, err := checkedAddress(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w; nothing was changed", name, n, err)
		}
		on = append(on, to)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w; it has to hold one address a line", name, err)
	}
	return on, nil
}

// checkedAddress refuses what no mail server would take for a recipient. One
// without @ may be a local user, which the database knows.
func checkedAddress(given string) (bounce.Address, error) {
	given = strings.TrimSpace(given)
	to := address.Parse(given)
	at := strings.LastIndexByte(to.Normal, '@')
	switch {
	case to.Normal == "":
		return to, sqlite.BadAddress{Address: given, Why: "is empty; give an address such as jane@example.com"}
	case strings.ContainsFunc(to.Normal, unsuitable(unicode.IsControl, "\uFFFD")),
		strings.ContainsFunc(to.Domain, unsuitable(unicode.IsSpace, `<>,;"`)),
		!strings.HasPrefix(to.Normal, `"`) && strings.ContainsFunc(to.Normal, unsuitable(unicode.IsSpace, `<>,;"`)):
		return to, sqlite.BadAddress{Address: given, Why: "is no address: it has a space or a sign in it that none has"}
	case at == 0:
		return to, sqlite.BadAddress{Address: given, Why: "is no address: there is nothing before the @"}
	case at > 0 && to.Domain == "":
		return to, sqlite.BadAddress{Address: given, Why: "is no address: there is no domain behind the @"}
	case len(to.Normal) > 512:
		return to, sqlite.BadAddress{Address: given[:40] + "…", Why: "is no address: it is too long"}
	}
	return to, nil
}

// unsuitable returns whether a character is of a class or among others.
func unsuitable(class func(rune) bool, others string) func(rune) bool {
	return func(r rune) bool { return class(r) || strings.ContainsRune(others, r) }
}

// decisionColumns are the columns of the list of decisions.
var decisionColumns = []table.Column{
	{Key: "recipient", Long: true}, {Key: "decision"}, {Key: "decided_at", Keep: 2, Time: true}, {Key: "until", Keep: 4, Time: true}, {Key: "ended_at", Keep: 1, Time: true}, {Key: "note", Keep: 3, Long: true},
}

// decisions is the subcommand of recipients that lists what was decided.
func (a *app) decisions() *cobra.Command {
	var all bool
	var flags listFlags
	c := &cobra.Command{
		Use:   "decisions",
		Short: "List what was decided by allow and block, the last first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			list, err := flags.open(a, decisionColumns)
			if err != nil {
				return err
			}
			if err := r.Decisions(cmd.Context(), all, func(d *recipient.Decision) error {
				return list.Row(d, d.Recipient, d.Decision, table.Stamp(d.DecidedAt), table.StampOf(d.Until), table.StampOf(d.EndedAt), d.Note)
			}); err != nil {
				return err
			}
			return list.End("Nothing was decided by hand.")
		},
	}
	flags.addWithLimit(c, decisionColumns)
	c.Flags().BoolVar(&all, "all", false, "also those that have ended")
	return c
}
