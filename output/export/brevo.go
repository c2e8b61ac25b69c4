package export

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// brevoBytes is the size that Brevo calls safe; its limit is 10 MB.
// https://developers.brevo.com/changelog/filebody-limit-is-set-to-10mb-in-importcontacts
const brevoBytes = 8_000_000

// newBrevo writes the body of POST /v3/contacts/import. Brevo requires a list for
// the contacts, and ignores attributes that the account does not have.
// https://developers.brevo.com/reference/import-contacts
func newBrevo(w io.Writer, o Options) Writer {
	lists := make([]string, 0, len(o.Lists))
	for _, id := range o.Lists {
		lists = append(lists, strconv.Itoa(id))
	}
	return newArray(w, brevoContacts{json.NewEncoder(w)},
		`{"emailBlacklist":true,"updateExistingContacts":true,"listIds":[`+strings.Join(lists, ",")+`],"jsonBody":[`, "]}\n")
}

type brevoContacts struct{ enc *json.Encoder }

func (b brevoContacts) Write(r *bounce.Recipient) error {
	return b.enc.Encode(struct {
		Email      string            `json:"email"`
		Attributes map[string]string `json:"attributes"`
	}{r.Recipient, map[string]string{
		"BOUNCE_REASON": string(r.Reason),
		"BOUNCED_ON":    formatted(badAt(r), time.DateOnly),
	}})
}

func (b brevoContacts) Close() error { return nil }

// newBrevoCSV writes the file for Brevo's import page, or for fileUrl.
func newBrevoCSV(w io.Writer, _ Options) Writer {
	return newCells(w, ';', []string{"EMAIL", "BOUNCE_REASON", "BOUNCED_ON"}, func(r *bounce.Recipient) []string {
		return []string{r.Recipient, string(r.Reason), formatted(badAt(r), time.DateOnly)}
	})
}
