package export

import (
	"io"
	"strconv"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// newMailgun writes the CSV of Mailgun's list of bounces: at most 25 MB, dates
// as in RFC 2822. An empty code is 550 there.
// https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/bounces/post-v3--domainid--bounces-import
func newMailgun(w io.Writer, _ Options) Writer {
	return newCells(w, ',', []string{"address", "code", "error", "created_at"}, func(r *bounce.Recipient) []string {
		code := ""
		if r.SMTPCode != 0 {
			code = strconv.Itoa(r.SMTPCode)
		}
		return []string{r.Recipient, code, r.Reply, formatted(badAt(r), time.RFC1123Z)}
	})
}

// formatted returns a stored time in another layout; empty if there is none.
func formatted(stored, layout string) string {
	at, err := time.Parse(time.RFC3339, stored)
	if err != nil {
		return ""
	}
	return at.Format(layout)
}
