package report

import (
	"fmt"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/table"
)

// Checked answers whether an address may be written to.
type Checked struct {
	Recipient string  `json:"recipient"`
	State     string  `json:"state"` // unknown if it never failed
	Bad       bool    `json:"bad"`
	Category  string  `json:"category"`
	Reason    string  `json:"reason"`
	BadSince  *string `json:"bad_since"`
}

// NewChecked returns the answer for an address by its row, which may not be known.
func NewChecked(to bounce.Address, row *bounce.Recipient, known bool) Checked {
	if !known {
		return Checked{Recipient: to.Normal, State: "unknown"}
	}
	return Checked{to.Normal, string(row.State), row.State == bounce.StateBad, string(row.Category), string(row.Reason), row.BadSince}
}

// Line is the answer for people.
func (c *Checked) Line(zone table.Zone) string {
	line := text.Printable(c.Recipient) + ": " + c.State
	if c.Bad {
		line += strings.TrimSuffix(fmt.Sprintf(", %s / %s", c.Category, c.Reason), ",  / ")
		if c.BadSince != nil {
			line += ", since " + zone.Head(zone.Short(*c.BadSince))
		}
	}
	return line
}
