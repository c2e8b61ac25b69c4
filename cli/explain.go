package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
)

func (a *app) explain() *cobra.Command {
	var asJSON bool
	var limit int
	c := &cobra.Command{
		Use:     "explain ADDRESS",
		Short:   "Show what happened to an address, and what would clear it",
		Example: "  bouncetail explain jane@example.com",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	c.Flags().IntVar(&limit, "limit", 20, "the last `N` attempts")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		to := address.Parse(strings.Trim(args[0], "<> "))
		if to.Normal == "" {
			return usageError{errors.New("an empty address; give one such as jane@example.com")}
		}
		r, err := a.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		row, known, err := r.Recipient(cmd.Context(), to.Normal)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("%s has not failed in what was read so far, or is spelled otherwise; bouncetail recipients --domain %s lists its neighbours", to.Normal, to.Domain)
		}
		attempts, err := r.Attempts(cmd.Context(), to, limit)
		if err != nil {
			return err
		}
		if asJSON {
			enc := json.NewEncoder(a.stdout)
			enc.SetEscapeHTML(false)
			return enc.Encode(struct {
				bounce.Recipient
				Clears   string           `json:"clears"`
				Attempts []sqlite.Attempt `json:"attempts"`
			}{row, clears(&row), attempts})
		}
		return tell(a.stdout, &row, attempts)
	}
	return c
}

// tell shows the life of an address as a person reads it.
func tell(w io.Writer, row *bounce.Recipient, attempts []sqlite.Attempt) error {
	fmt.Fprintf(w, "%s is %s: %s / %s\n", row.Recipient, row.State, row.Category, row.Reason)
	if row.BadSince != nil {
		fmt.Fprintf(w, "  bad since       %s\n", shortTime(*row.BadSince))
	}
	delivered := "never, in what was read"
	if row.LastDeliveryAt != nil {
		delivered = shortTime(*row.LastDeliveryAt)
	}
	fmt.Fprintf(w, "  last delivery   %s\n  failures        %d permanent, %d to be retried, from %s to %s\n",
		delivered, row.PermanentCount, row.RetryCount, shortTime(row.FirstFailureAt), shortTime(row.LastFailureAt))
	if total := row.PermanentCount + row.RetryCount; total > len(attempts) {
		fmt.Fprintf(w, "\nThe last %d of %d attempts (UTC):\n", len(attempts), total)
	} else {
		fmt.Fprintf(w, "\nAttempts (UTC):\n")
	}
	for i := range attempts {
		t := &attempts[i]
		held := ""
		if t.Suppress {
			held = ", held against the address"
		}
		fmt.Fprintf(w, "  %s  %s: %s / %s (%s)%s\n", shortTime(t.OccurredAt), t.Outcome, t.Category, t.Reason, t.Rule, held)
		if t.Reply != nil {
			host := ""
			if t.RelayHost != nil {
				host = *t.RelayHost + ": "
			}
			fmt.Fprintf(w, "                    %s\n", printable(host+*t.Reply))
		}
	}
	_, err := fmt.Fprintf(w, "\nWhat would clear it: %s\nWhat to do: %s\n", clears(row), row.Reason.Advice())
	return err
}

// clears tells what would bring an address back to ok.
func clears(row *bounce.Recipient) string {
	switch row.State {
	case bounce.StateOK:
		return "nothing needs to, it was reached after its last failure"
	case bounce.StateBad:
		return "a delivery to it that succeeds, or a rule of your own that judges the reply otherwise (bouncetail rules, then bouncetail reclassify)"
	case bounce.StateRetry:
	}
	return "a delivery to it that succeeds; it is not held to be bad"
}

// rebuild is the subcommand of recipients.
func (a *app) rebuild() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "Make the table recipients out of the stored records anew",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			store, err := a.existingStore(cmd.Context(), settings)
			if err != nil {
				return err
			}
			n, err := store.Rebuild(cmd.Context())
			if err = errors.Join(err, store.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "%d rows were not as the records have them, and are now.\n", n)
			return err
		},
	}
}
