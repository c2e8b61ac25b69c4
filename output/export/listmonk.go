package export

import (
	"encoding/json"
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// newListmonk writes the CSV that listmonk imports in the mode blocklist. The
// attributes are JSON; listmonk stores them for addresses that are new to it.
// https://listmonk.app/docs/apis/import/
func newListmonk(w io.Writer, _ Options) Writer {
	return newCells(w, ',', []string{"email", "attributes"}, func(r *bounce.Recipient) []string {
		attributes, err := json.Marshal(map[string]string{
			"bounce_category": string(r.Category),
			"bounce_reason":   string(r.Reason),
			"bounce_reply":    r.Reply,
			"bounced_at":      badAt(r),
		})
		if err != nil { // strings always encode
			panic(err)
		}
		return []string{r.Recipient, string(attributes)}
	})
}
