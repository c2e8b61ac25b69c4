package report

import (
	"fmt"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
)

// Changes are the addresses whose state a decision changed, as JSON shows them.
type Changes struct {
	Rows int `json:"changed"`
	Bad  int `json:"became_bad"`
	Good int `json:"no_longer_bad"`
}

// Effect describes what a decision changed.
func Effect(c recipient.Changes) string {
	var parts []string
	if c.Bad > 0 {
		parts = append(parts, fmt.Sprintf("%s %s bad", text.Thousands(int64(c.Bad)), text.Verb(c.Bad, "becomes", "become")))
	}
	if c.Good > 0 {
		parts = append(parts, fmt.Sprintf("%s %s no longer bad", text.Thousands(int64(c.Good)), text.Verb(c.Good, "is", "are")))
	}
	switch {
	case len(parts) > 0:
	case c.Rows > 0:
		return text.Amount(c.Rows, "address") + " changed, none to or from bad."
	default:
		return "No state changed."
	}
	return strings.Join(parts, ", ") + "."
}

// Marked is what a release or a confirmation changed, as JSON shows it.
type Marked struct {
	ID         int64 `json:"id"`
	Failures   int   `json:"failures"` // that it covers
	Recipients int   `json:"recipients"`
	Changes
	DryRun bool `json:"dry_run"`
	Undone bool `json:"undone"`
}

// markings are the sentences about a release and about a confirmation: what a dry run
// would do, what was done, with its number, and what was undone.
var markings = map[string]struct{ would, done, undone string }{
	recipient.KindRelease: {"%s would no longer count", "Release %d, %s no longer counted", "%s counted again"},
	recipient.KindConfirm: {"%s would be confirmed", "Confirmation %d, %s", "%s no longer confirmed"},
}

// Sentence describes it. The kind is recipient.KindRelease or recipient.KindConfirm.
func (m *Marked) Sentence(kind string) string {
	say := markings[kind]
	what := text.Amount(m.Failures, "failure") + " of " + text.Amount(m.Recipients, "address")
	effect := Effect(recipient.Changes(m.Changes))
	switch {
	case m.DryRun:
		return fmt.Sprintf(say.would+": %s Nothing was changed.", what, effect)
	case m.Undone:
		return fmt.Sprintf(say.undone+": %s", what, effect)
	}
	return fmt.Sprintf(say.done+": %s", m.ID, what, effect)
}
