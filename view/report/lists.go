package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// Each list that the commands print is declared by its columns and a function that
// returns the cells of a row, in their order.

// RecipientColumns are the columns of the list of recipients.
var RecipientColumns = []table.Column{
	{Key: "recipient", Long: true},
	{Key: "state", Keep: 4},
	{Key: "category", Keep: 1},
	{Key: "reason", Keep: 5},
	{Key: "last_failure_at", Keep: 3, Time: true},
	{Key: "reply", Keep: 2, Long: true},
	{Key: "domain", More: true},
	{Key: "decided_by", More: true},
	{Key: "first_failure_at", More: true, Time: true},
	{Key: "last_delivery_at", More: true, Time: true},
	{Key: "permanent_count", More: true},
	{Key: "retry_count", More: true},
	{Key: "bad_since", More: true, Time: true},
	{Key: "bad_until", More: true, Time: true},
}

// RecipientCells returns a row of the list of recipients.
func RecipientCells(r *bounce.Recipient) []any {
	return []any{
		r.Recipient, table.State(r.State), string(r.Category), string(r.Reason), table.StampOf(r.LastFailureAt), r.Reply,
		r.Domain, string(r.DecidedBy), table.StampOf(r.FirstFailureAt), table.StampOf(r.LastDeliveryAt),
		r.PermanentCount, r.RetryCount, table.StampOf(r.BadSince), table.StampOf(r.BadUntil),
	}
}

// DecisionColumns are the columns of the list of decisions.
var DecisionColumns = []table.Column{
	{Key: "recipient", Long: true},
	{Key: "decision"},
	{Key: "decided_at", Keep: 2, Time: true},
	{Key: "until", Keep: 4, Time: true},
	{Key: "ended_at", Keep: 1, Time: true},
	{Key: "note", Keep: 3, Long: true},
}

// DecisionCells returns a row of the list of decisions.
func DecisionCells(d *recipient.Decision) []any {
	return []any{d.Recipient, d.Decision, table.Stamp(d.DecidedAt), table.StampOf(d.Until), table.StampOf(d.EndedAt), d.Note}
}

// ReleaseColumns are the columns of the lists of releases and confirmations.
var ReleaseColumns = []table.Column{
	{Key: "id"},
	{Key: "since", Time: true},
	{Key: "until", Keep: 3, Time: true},
	{Key: "of", Long: true},
	{Key: "released_at", Keep: 2, Time: true},
	{Key: "withdrawn_at", Keep: 4, Time: true},
	{Key: "note", Keep: 1, Long: true},
}

// ReleaseCells returns a row of the list of releases.
func ReleaseCells(r *recipient.Release) []any {
	of := strings.Join(slices.DeleteFunc([]string{r.Category, r.Reason, r.Domain}, func(s string) bool { return s == "" }), " ")
	return []any{
		r.ID,
		table.Stamp(r.Since),
		table.Stamp(r.Until),
		cmp.Or(of, "all"),
		table.Stamp(r.ReleasedAt),
		table.StampOf(r.WithdrawnAt),
		r.Note,
	}
}

// CrowdColumns are the columns of the list of crowds.
var CrowdColumns = []table.Column{
	{Key: "id"},
	{Key: "kind"},
	{Key: "unit", Long: true},
	{Key: "started_at", Time: true},
	{Key: "ended_at", Keep: 3, Time: true},
	{Key: "addresses"},
	{Key: "share", Keep: 2},
	{Key: "last_at", Time: true, More: true},
	{Key: "refused", More: true},
	{Key: "attempts", More: true},
	{Key: "frozen", More: true},
}

// CrowdCells returns a row of the list of crowds.
func CrowdCells(c *Crowd) []any {
	var share any
	if c.Attempts > 0 {
		share = table.Share(float64(c.Refused) / float64(c.Attempts))
	}
	return []any{
		c.ID,
		string(c.Kind),
		c.Unit,
		table.Stamp(c.StartedAt),
		table.Stamp(c.EndedAt),
		c.Addresses,
		share,
		table.Stamp(c.LastAt),
		c.Refused,
		c.Attempts,
		fmt.Sprint(c.Frozen),
	}
}

// ReasonColumns are the columns of the list of reasons.
var ReasonColumns = []table.Column{{Key: "reason"}, {Key: "means", Wrap: true}, {Key: "address_bad", Keep: 1}, {Key: "advice", Wrap: true}}

// ReasonCells returns a row of the list of reasons.
func ReasonCells(m *bounce.ReasonMeaning) []any {
	return []any{string(m.Reason), m.Means, m.AddressBad, m.Advice}
}

// ReasonSentence explains a reason.
func ReasonSentence(m *bounce.ReasonMeaning) string {
	bad := "The address may be good."
	if m.AddressBad {
		bad = "The address is bad."
	}
	return fmt.Sprintf("%s: %s. %s %s", m.Reason, m.Means, bad, m.Advice)
}

// ReplyColumns are the columns of the list of replies that no rule knows.
var ReplyColumns = []table.Column{{Key: "count"}, {Key: "last_seen", Keep: 1, Time: true}, {Key: "example", Long: true}}

// ReplyCells returns a row of the list of replies that no rule knows.
func ReplyCells(r *query.Reply) []any {
	return []any{r.Count, table.Stamp(r.LastSeen), r.Example}
}

// CursorColumns are the columns of the list of cursors of exports.
var CursorColumns = []table.Column{{Key: "name", Long: true}, {Key: "seq"}, {Key: "moved_at", Time: true}, {Key: "waiting"}}

// CursorCells returns a row of the list of cursors.
func CursorCells(c *query.CursorState) []any {
	return []any{c.Name, c.Seq, table.Stamp(c.MovedAt), c.Waiting}
}

// LetterColumns are the columns of the list of dead letters.
var LetterColumns = []table.Column{
	{Key: "recipient", Long: true},
	{Key: "state", Keep: 2},
	{Key: "since", Keep: 1, Time: true},
	{Key: "error", Long: true},
}

// LetterCells returns a row of the list of dead letters.
func LetterCells(d *query.DeadLetter) []any {
	return []any{d.Recipient, table.State(d.State), table.Stamp(d.Since), d.Error}
}

// HookColumns are the columns of the list of webhooks.
var HookColumns = []table.Column{
	{Key: "name", Long: true},
	{Key: "host", Keep: 1, Long: true},
	{Key: "behind"},
	{Key: "dead_letters"},
	{Key: "trouble", Long: true},
}

// HookCells returns a row of the list of webhooks. The host is that of the settings.
func HookCells(h *query.Hook, host string) []any {
	trouble := "none"
	switch {
	case h.Trouble != nil:
		trouble = *h.Trouble
	case h.LastError != nil:
		trouble = "refused: " + *h.LastError
	}
	return []any{h.Name, cmp.Or(host, "not in the settings"), h.Behind, h.DeadLetters, trouble}
}
