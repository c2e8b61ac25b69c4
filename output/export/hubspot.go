package export

import (
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// newHubSpot writes the one column of an opt-out list.
// https://knowledge.hubspot.com/marketing-email/import-an-opt-out-list
func newHubSpot(w io.Writer, _ Options) Writer {
	return newCells(w, ',', []string{"Email"}, func(r *bounce.Recipient) []string { return []string{r.Recipient} })
}
