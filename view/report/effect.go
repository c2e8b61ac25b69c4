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
