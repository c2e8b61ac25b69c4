package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// History is what the database holds of an address.
type History struct {
	bounce.Recipient
	Clears    string               `json:"clears"`
	Counted   []recipient.Counted  `json:"counted"`
	Decisions []recipient.Decision `json:"decisions"`
	Releases  []recipient.Release  `json:"releases"` // of the attempts below
	Crowds    []Crowd              `json:"crowds"`   // of the attempts below
	Confirms  []recipient.Release  `json:"confirms"` // likewise
	Attempts  []query.Attempt      `json:"attempts"`

	limits bounce.CrowdLimits
	zone   table.Zone
	width  int // of the output
}

// HistoryReader reads what a history is made of: from the database, or from a fleet.
type HistoryReader interface {
	Attempts(ctx context.Context, to bounce.Address, limit int) ([]query.Attempt, error)
	Counted(ctx context.Context, to bounce.Address) ([]recipient.Counted, error)
	DecisionsOn(ctx context.Context, to bounce.Address) ([]recipient.Decision, error)
	Releases(ctx context.Context) ([]recipient.Release, error)
	Confirms(ctx context.Context) ([]recipient.Release, error)
	Crowds(ctx context.Context, since string) ([]recipient.Crowd, error)
	CrowdLimits(ctx context.Context) (bounce.CrowdLimits, error)
}

// ReadHistory reads the last attempts of an address that has a row, and what follows
// from them. People read times of the zone.
func ReadHistory(
	ctx context.Context, r HistoryReader, to bounce.Address, row *bounce.Recipient, limit int, zone table.Zone, now time.Time,
) (l *History, err error) {
	l = &History{Recipient: *row, Clears: clears(row, zone.Short), zone: zone}
	if l.Attempts, err = r.Attempts(ctx, to, limit); err != nil {
		return nil, err
	}
	if l.Counted, err = r.Counted(ctx, to); err != nil {
		return nil, err
	}
	if l.Decisions, err = r.DecisionsOn(ctx, to); err != nil {
		return nil, err
	}
	if l.Releases, err = r.Releases(ctx); err != nil {
		return nil, err
	}
	l.Releases = slices.DeleteFunc(l.Releases, func(o recipient.Release) bool {
		return !slices.ContainsFunc(l.Attempts, func(t query.Attempt) bool { return t.Release == o.ID })
	})
	return l, l.readCrowds(ctx, r, now)
}

// Print shows the history as a person reads it.
func (l *History) Print(out *table.Screen) error {
	w := out.Out
	l.width = out.ProseWidth()
	field := func(name, format string, args ...any) {
		fmt.Fprintln(w, out.Hang(fmt.Sprintf("  %-15s ", name), fmt.Sprintf(format, args...)))
	}
	why := ""
	if l.Category != "" {
		why = fmt.Sprintf(": %s / %s", l.Category, l.Reason)
	}
	fmt.Fprintln(w, out.Prose(fmt.Sprintf("%s is %s%s", text.Printable(l.Recipient.Recipient), l.State, why)))
	field("decided by", "%s", deciders[l.DecidedBy])
	if l.BadSince != nil {
		field("bad since", "%s", l.zone.Short(*l.BadSince))
	}
	if l.BadUntil != nil {
		field("bad until", "%s", l.zone.Short(*l.BadUntil))
	}
	delivered := "never, in what was read"
	if l.LastDeliveryAt != nil {
		delivered = l.zone.Short(*l.LastDeliveryAt)
	}
	field("last delivery", "%s", delivered)
	if l.FirstFailureAt == nil || l.LastFailureAt == nil {
		field("failures", "none")
	} else {
		field("failures", "%s permanent, %s to be retried, from %s to %s",
			text.Thousands(int64(l.PermanentCount)), text.Thousands(int64(l.RetryCount)),
			l.zone.Short(*l.FirstFailureAt), l.zone.Short(*l.LastFailureAt))
	}
	for _, c := range l.Counted {
		if c.Policy.Failures == 0 {
			continue
		}
		field(
			"the policy", "%s: %d of %s over %d of %s, within %d",
			c.Category, c.Failures, text.Amount(c.Policy.Failures, "failure"), c.Days,
			text.Amount(c.Policy.Days, "day"), c.Policy.Window,
		)
	}
	l.tellCrowds(w)
	if total := l.PermanentCount + l.RetryCount; total > len(l.Attempts) {
		fmt.Fprintf(
			w, "\nThe last %d of %s attempts, and what was decided (%s):\n",
			len(l.Attempts), text.Thousands(int64(total)), l.zone.Name(),
		)
	} else {
		fmt.Fprintf(w, "\nAttempts, and what was decided (%s):\n", l.zone.Name())
	}
	for _, e := range l.timeline() {
		fmt.Fprintln(w, out.Hang("  "+l.zone.Short(e.at)+"  ", e.text))
		if e.reply != "" {
			fmt.Fprintf(w, "                    %s\n", text.Wrap(text.Printable(e.reply), l.width, 20))
		}
		if e.mail != "" {
			fmt.Fprintf(w, "                    %s\n", text.Wrap(text.Printable(e.mail), l.width, 20))
		}
	}
	fmt.Fprintln(w)
	_, err := fmt.Fprintln(w, text.Wrap("What would clear it: "+l.Clears, l.width, 0))
	// Advice about a reply would contradict what was decided by hand, or the doubt
	// about a crowd.
	if advice := l.Reason.Advice(); advice != "" && err == nil && l.DecidedBy != bounce.ByHand && l.DecidedBy != bounce.ByCrowd {
		_, err = fmt.Fprintln(w, text.Wrap("What to do: "+advice, l.width, 0))
	}
	return errors.Join(err, l.tellCommands(w))
}

// deciders says in words what a state follows from.
var deciders = map[bounce.Decider]string{
	bounce.ByFailure:  "the reply of a failed attempt",
	bounce.ByPolicy:   "the policy, which counted failures over days",
	bounce.ByDelivery: "a delivery after the last failure",
	bounce.ByRelease:  "a release: its failures since the last delivery do not count",
	bounce.ByCrowd:    "a crowd of refused addresses, which may be an outage",
	bounce.ByTime:     "the policy: it was bad, and its time is over",
	bounce.ByHand:     "hand",
}

// entry is a line of the timeline.
type entry struct{ at, text, reply, mail string }

// counts reports whether the policy has counted failures of a category.
func (l *History) counts(c bounce.Category) bool {
	return slices.ContainsFunc(l.Counted, func(counted recipient.Counted) bool { return counted.Category == c })
}

// timeline puts all that happened into the order of time.
func (l *History) timeline() []entry {
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
			e.text += ", counts against the address"
		case t.Counts && l.counts(t.Category) && (l.LastDeliveryAt == nil || t.OccurredAt > *l.LastDeliveryAt):
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
			e.text += ", until " + l.zone.Short(*d.Until)
		}
		all = append(all, e)
		if d.EndedAt != nil {
			all = append(all, entry{at: *d.EndedAt, text: d.Decision + " ended"})
		}
	}
	for _, o := range l.Releases {
		all = append(all, entry{
			at:    o.ReleasedAt,
			text:  fmt.Sprintf("release %d by hand, of failures from %s to %s", o.ID, l.zone.Short(o.Since), l.zone.Short(o.Until)),
			reply: o.Note,
		})
	}
	for _, o := range l.Confirms {
		all = append(all, entry{
			at:    o.ReleasedAt,
			text:  fmt.Sprintf("confirmation %d by hand, of failures from %s to %s", o.ID, l.zone.Short(o.Since), l.zone.Short(o.Until)),
			reply: o.Note,
		})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return strings.Compare(a.at, b.at) })
	return all
}

// mailOf names the message of an attempt, to find it in the log.
func mailOf(t *query.Attempt) string {
	var parts []string
	if t.QueueID != nil && *t.QueueID != "" {
		parts = append(parts, *t.QueueID)
	}
	if t.Sender != nil {
		parts = append(parts, "from <"+*t.Sender+">")
	}
	if t.MessageID != nil && *t.MessageID != "" {
		parts = append(parts, "message-id <"+*t.MessageID+">")
	}
	if t.Instance != "" {
		parts = append(parts, "at "+t.Instance)
	}
	return strings.Join(parts, " ")
}

// clears describes what would make an address ok again.
func clears(row *bounce.Recipient, shown func(stored string) string) string {
	const released = "; or bouncetail recipients release, where the other side answered wrongly for some hours"
	quoted := text.ShellQuote(row.Recipient)
	switch {
	case row.State == bounce.StateOK && row.DecidedBy == bounce.ByHand:
		return "nothing needs to"
	case row.State == bounce.StateOK:
		return "nothing needs to, it was reached after its last failure, or that was released"
	case row.DecidedBy == bounce.ByHand && row.BadUntil == nil:
		return "bouncetail recipients unset " + quoted + ", as it was blocked by hand"
	case row.DecidedBy == bounce.ByHand:
		return "bouncetail recipients unset " + quoted + ", as it was blocked by hand, or the time until " + shown(*row.BadUntil)
	case row.State == bounce.StateBad && row.BadUntil != nil:
		return "a delivery to it that succeeds; by itself at " + shown(*row.BadUntil) + ", if it does not fail so again; " +
			"bouncetail recipients allow " + quoted + released
	case row.State == bounce.StateBad:
		return "a delivery to it that succeeds; bouncetail recipients allow " + quoted +
			"; a rule of your own that judges the reply otherwise (bouncetail rules, then bouncetail reclassify)" + released
	}
	if row.State == bounce.StateSuspect {
		return "a delivery to it that succeeds; a further refusal after the crowd makes it bad, unless the outage goes on"
	}
	return "a delivery to it that succeeds; it is not considered bad"
}
