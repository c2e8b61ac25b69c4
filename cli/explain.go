package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/table"
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
		return a.explainAddress(cmd.Context(), args[0], limit, asJSON)
	}
	return c
}

// explainAddress shows what happened to an address in its last attempts.
func (a *app) explainAddress(ctx context.Context, given string, limit int, asJSON bool) error {
	to, err := oneAddress(given)
	if err != nil {
		return usageError{err}
	}
	if limit < 1 {
		return usageError{fmt.Errorf("--limit: %d is less than 1", limit)}
	}
	settings, err := a.settings()
	if err != nil {
		return err
	}
	r, err := sqlite.OpenReader(ctx, settings.Database)
	if err != nil {
		return err
	}
	defer r.Close()
	given = to.Normal
	if to, err = storedAs(ctx, settings, r, to); err != nil {
		return err
	}
	row, known, err := r.Recipient(ctx, to.Normal)
	if err != nil {
		return err
	}
	if !known && to.Domain == "" {
		return usageError{sqlite.BadAddress{Address: given, Why: "has no @, and no local user of that name is known; write the whole address"}}
	}
	if !known {
		return fmt.Errorf("%s has not failed in what was read so far, or is spelled otherwise; bouncetail recipients --domain %s lists its neighbours", given, to.Domain)
	}
	l := history{a: a, Recipient: row, Clears: clears(&row, a.zone().Short)}
	if l.Attempts, err = r.Attempts(ctx, to, limit); err != nil {
		return err
	}
	if l.Counted, err = r.Counted(ctx, to); err != nil {
		return err
	}
	if l.Decisions, err = r.DecisionsOn(ctx, to); err != nil {
		return err
	}
	if l.Releases, err = r.Releases(ctx); err != nil {
		return err
	}
	l.Releases = slices.DeleteFunc(l.Releases, func(o recipient.Release) bool {
		return !slices.ContainsFunc(l.Attempts, func(t sqlite.Attempt) bool { return t.Release == o.ID })
	})
	if err := l.readCrowds(ctx, r); err != nil {
		return err
	}
	if asJSON {
		return table.Objects(a.stdout).Encode(&l)
	}
	return l.tell(a.stdout)
}

// history is all that there is to say of an address.
type history struct {
	a *app
	bounce.Recipient
	Clears    string               `json:"clears"`
	Counted   []recipient.Counted  `json:"counted"`
	Decisions []recipient.Decision `json:"decisions"`
	Releases  []recipient.Release  `json:"releases"` // of the attempts below
	Crowds    []crowd              `json:"crowds"`   // of the attempts below
	Confirms  []recipient.Release  `json:"confirms"` // likewise
	Attempts  []sqlite.Attempt     `json:"attempts"`

	limits bounce.CrowdLimits
}

// tell shows the life of an address as a person reads it.
func (l *history) tell(w io.Writer) error {
	why := ""
	if l.Category != "" {
		why = fmt.Sprintf(": %s / %s", l.Category, l.Reason)
	}
	fmt.Fprintf(w, "%s is %s%s\n  decided by      %s\n", l.Recipient.Recipient, l.State, why, deciders[l.DecidedBy])
	if l.BadSince != nil {
		fmt.Fprintf(w, "  bad since       %s\n", l.a.zone().Short(*l.BadSince))
	}
	if l.BadUntil != nil {
		fmt.Fprintf(w, "  bad until       %s\n", l.a.zone().Short(*l.BadUntil))
	}
	delivered := "never, in what was read"
	if l.LastDeliveryAt != nil {
		delivered = l.a.zone().Short(*l.LastDeliveryAt)
	}
	fmt.Fprintf(w, "  last delivery   %s\n", delivered)
	if l.FirstFailureAt == nil || l.LastFailureAt == nil {
		fmt.Fprintf(w, "  failures        none\n")
	} else {
		fmt.Fprintf(w, "  failures        %s permanent, %s to be retried, from %s to %s\n",
			text.Thousands(int64(l.PermanentCount)), text.Thousands(int64(l.RetryCount)), l.a.zone().Short(*l.FirstFailureAt), l.a.zone().Short(*l.LastFailureAt))
	}
	for _, c := range l.Counted {
		if c.Policy.Failures == 0 {
			continue
		}
		fmt.Fprintf(w, "  the policy      %s: %d of %s over %d of %s, within %d\n", c.Category, c.Failures, text.Amount(c.Policy.Failures, "failure"), c.Days, text.Amount(c.Policy.Days, "day"), c.Policy.Window)
	}
	l.tellCrowds(w)
	if total := l.PermanentCount + l.RetryCount; total > len(l.Attempts) {
		fmt.Fprintf(w, "\nThe last %d of %s attempts, and what was decided (%s):\n", len(l.Attempts), text.Thousands(int64(total)), l.a.zone().Name())
	} else {
		fmt.Fprintf(w, "\nAttempts, and what was decided (%s):\n", l.a.zone().Name())
	}
	for _, e := range l.timeline() {
		fmt.Fprintf(w, "  %s  %s\n", l.a.zone().Short(e.at), e.text)
		if e.reply != "" {
			fmt.Fprintf(w, "                    %s\n", text.Wrap(text.Printable(e.reply), l.a.screen().ProseWidth(), 20))
		}
		if e.mail != "" {
			fmt.Fprintf(w, "                    %s\n", text.Wrap(text.Printable(e.mail), l.a.screen().ProseWidth(), 20))
		}
	}
	fmt.Fprintln(w)
	_, err := fmt.Fprintln(w, text.Wrap("What would clear it: "+l.Clears, l.a.screen().ProseWidth(), 0))
	// Advice about a reply would contradict what was decided by hand, or the doubt
	// about a crowd.
	if advice := l.Reason.Advice(); advice != "" && err == nil && l.DecidedBy != bounce.ByHand && l.DecidedBy != bounce.ByCrowd {
		_, err = fmt.Fprintln(w, text.Wrap("What to do: "+advice, l.a.screen().ProseWidth(), 0))
	}
	return errors.Join(err, l.tellCommands(w))
}

// deciders says in words what a state follows from.
var deciders = map[bounce.Decider]string{
	bounce.ByFailure:  "what was said at the failure",
	bounce.ByPolicy:   "the policy, which counted failures over days",
	bounce.ByDelivery: "a delivery after the last failure",
	bounce.ByRelease:  "a release: its failures since the last delivery do not count",
	bounce.ByCrowd:    "a crowd of refused addresses, which may be an outage",
	bounce.ByTime:     "the policy: it was bad, and its time is over",
	bounce.ByHand:     "hand",
}

// entry is a line of the timeline.
type entry struct{ at, text, reply, mail string }

// timeline puts all that happened into the order of time.
func (l *history) timeline() []entry {
	var all []entry
	for i := range l.Attempts {
		t := &l.Attempts[i]
		e := entry{at: t.OccurredAt, text: fmt.Sprintf("%s: %s / %s (%s)", t.Outcome, t.Category, t.Reason, t.Rule)}
		switch {
		case t.Release != 0:
			e.text += fmt.Sprintf(", released (%d)", t.Release)
		case t.Confirm != 0:
			e.text += fmt.Sprintf(", in crowd %d, confirmed (%d)", t.Crowd, t.Confirm)
		case t.Crowd != 0:
			e.text += fmt.Sprintf(", in crowd %d", t.Crowd)
		case t.Suppress:
			e.text += ", held against the address"
		case t.Counts && slices.ContainsFunc(l.Counted, func(c recipient.Counted) bool { return c.Category == t.Category }) && (l.LastDeliveryAt == nil || t.OccurredAt > *l.LastDeliveryAt):
			e.text += ", counts for the policy"
		}
		e.mail = mailOf(t)
		if t.Reply != nil {
			if t.RelayHost != nil {
				e.reply = *t.RelayHost + ": "
			}
			e.reply += *t.Reply
		}
		all = append(all, e)
	}
	if l.LastDeliveryAt != nil {
		all = append(all, entry{at: *l.LastDeliveryAt, text: "delivered (the last time)"})
	}
	for _, d := range l.Decisions {
		e := entry{at: d.DecidedAt, text: d.Decision + " by hand", reply: d.Note}
		if d.Until != nil {
			e.text += ", until " + l.a.zone().Short(*d.Until)
		}
		all = append(all, e)
		if d.EndedAt != nil {
			all = append(all, entry{at: *d.EndedAt, text: d.Decision + " ended"})
		}
	}
	for _, o := range l.Releases {
		all = append(all, entry{at: o.ReleasedAt, text: fmt.Sprintf("release %d by hand, of failures from %s to %s", o.ID, l.a.zone().Short(o.Since), l.a.zone().Short(o.Until)), reply: o.Note})
	}
	for _, o := range l.Confirms {
		all = append(all, entry{at: o.ReleasedAt, text: fmt.Sprintf("confirmation %d by hand, of failures from %s to %s", o.ID, l.a.zone().Short(o.Since), l.a.zone().Short(o.Until)), reply: o.Note})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return strings.Compare(a.at, b.at) })
	return all
}

// mailOf names the message of an attempt, to find it in the log.
func mailOf(t *sqlite.Attempt) string {
	var parts []string
	if t.QueueID != nil && *t.QueueID != "" {
		parts = append(parts, *t.QueueID)
	}
	if t.Sender != nil {
		parts = append(parts, "from <"+*t.Sender+">")
	}
	return strings.Join(parts, " ")
}

// clears tells what would bring an address back to ok.
func clears(row *bounce.Recipient, shown func(stored string) string) string {
	const released = "; or bouncetail recipients release, where the other side answered wrongly for some hours"
	switch {
	case row.State == bounce.StateOK && row.DecidedBy == bounce.ByHand:
		return "nothing needs to"
	case row.State == bounce.StateOK:
		return "nothing needs to, it was reached after its last failure, or that was released"
	case row.DecidedBy == bounce.ByHand && row.BadUntil == nil:
		return "bouncetail recipients unset, as it was blocked by hand"
	case row.DecidedBy == bounce.ByHand:
		return "bouncetail recipients unset, as it was blocked by hand, or the time until " + shown(*row.BadUntil)
	case row.State == bounce.StateBad && row.BadUntil != nil:
		return "a delivery to it that succeeds; by itself at " + shown(*row.BadUntil) + ", if it does not fail so again; bouncetail recipients allow" + released
	case row.State == bounce.StateBad:
		return "a delivery to it that succeeds; bouncetail recipients allow; a rule of your own that judges the reply otherwise (bouncetail rules, then bouncetail reclassify)" + released
	}
	if row.State == bounce.StateSuspect {
		return "a delivery to it that succeeds; a further refusal after the crowd makes it bad"
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
			err = daemon.UsePolicy(cmd.Context(), store, &settings, a.logger(settings.Log))
			n := 0
			if err == nil {
				n, err = store.Rebuild(cmd.Context())
			}
			if err = errors.Join(err, store.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "%s %s not as the records have them, and %s now.\n", text.Amount(n, "row"), text.Verb(n, "was", "were"), text.Verb(n, "is", "are"))
			return err
		},
	}
}
