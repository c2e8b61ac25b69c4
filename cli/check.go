package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) check() *cobra.Command {
	var from string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check ADDRESS…",
		Short: "Say whether addresses may be written to",
		Long: "Check says for each address whether it may be written to, a line each in the order\n" +
			"given: its state, or unknown for an address that never failed.\n\n" +
			"The exit code is 0 if all may be written to, 1 if one is bad, and 3 if it could not\n" +
			"be found out.",
		Example: "  bouncetail check jane@example.com && mail -s hello jane@example.com\n" +
			"  bouncetail check --from-file subscribers --json | jq -r 'select(.state == \"bad\").recipient'",
	}
	c.Flags().StringVar(&from, "from-file", "", "also the addresses in `FILE`, one a line; - is standard input")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		on, err := a.givenAddresses(args, from)
		if err != nil {
			return err
		}
		settings, h, err := a.hashing()
		if err != nil {
			return err
		}
		r, err := query.OpenReader(cmd.Context(), settings.Database)
		if err != nil {
			return err
		}
		defer r.Close()
		if err := r.CheckKey(cmd.Context(), settings.Database, h.ID()); err != nil {
			return err
		}
		enc, bad := table.Objects(a.stdout), false
		for _, to := range on {
			row, known, err := r.Recipient(cmd.Context(), h.Hashed(to).Normal)
			if err != nil {
				return err
			}
			state := "unknown"
			if known {
				state = string(row.State)
				bad = bad || row.State == bounce.StateBad
			}
			if asJSON {
				err = enc.Encode(checked{to.Normal, state, row.State == bounce.StateBad, string(row.Category), string(row.Reason), row.BadSince})
			} else {
				_, err = fmt.Fprintln(a.stdout, text.Wrap(a.checkedLine(to, state, &row), a.screen().ProseWidth(), 2))
			}
			if err != nil {
				return err
			}
		}
		if bad {
			return answer(1)
		}
		return nil
	}
	return c
}

// checked is the object that check prints for an address.
type checked struct {
	Recipient string  `json:"recipient"`
	State     string  `json:"state"` // unknown if it never failed
	Bad       bool    `json:"bad"`
	Category  string  `json:"category"`
	Reason    string  `json:"reason"`
	BadSince  *string `json:"bad_since"`
}

func (a *app) checkedLine(to bounce.Address, state string, row *bounce.Recipient) string {
	line := text.Printable(to.Normal) + ": " + state
	if row.State == bounce.StateBad {
		line += strings.TrimSuffix(fmt.Sprintf(", %s / %s", row.Category, row.Reason), ",  / ")
		if row.BadSince != nil {
			line += ", since " + a.zone().Head(a.zone().Short(*row.BadSince))
		}
	}
	return line
}

// oneAddress reads one address that a person wrote.
func oneAddress(arg string) (bounce.Address, error) {
	to := address.Parse(strings.Trim(arg, "<> "))
	if to.Normal == "" {
		return to, errors.New("an empty address; give one such as jane@example.com")
	}
	return to, nil
}
