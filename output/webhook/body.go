package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Kind is what a hook is sent.
type Kind struct {
	Name   string
	single bool // one recipient in a request
	body   func(hook string, rows []bounce.Recipient, now time.Time) ([]byte, error)
}

// Kinds are the kinds of hooks.
var Kinds = []Kind{
	{"json", false, jsonBody},
	{"listmonk", true, listmonkBody},
}

func kind(name string) Kind {
	for _, k := range Kinds {
		if k.Name == name {
			return k
		}
	}
	return Kinds[0] // the settings have refused others
}

// told is a recipient as hooks get it: the columns of the table recipients, and
// what was said by the failure that decided.
type told struct {
	*bounce.Recipient
	SMTPCode *int    `json:"smtp_code"` // null where the other side said nothing
	Reply    *string `json:"reply"`     // null where there is none
}

func toldOf(r *bounce.Recipient) told {
	t := told{Recipient: r}
	if r.SMTPCode != 0 {
		t.SMTPCode = &r.SMTPCode
	}
	if r.Reply != "" {
		t.Reply = &r.Reply
	}
	return t
}

func jsonBody(hook string, rows []bounce.Recipient, _ time.Time) ([]byte, error) {
	body := struct {
		Webhook    string `json:"webhook"`
		Recipients []told `json:"recipients"`
	}{Webhook: hook}
	for i := range rows {
		body.Recipients = append(body.Recipients, toldOf(&rows[i]))
	}
	return marshal(body)
}

// listmonkBody is what POST /webhooks/bounce of listmonk takes: one bounce
// (https://listmonk.app/docs/bounces/).
func listmonkBody(_ string, rows []bounce.Recipient, now time.Time) ([]byte, error) {
	r := &rows[0]
	weight, at := "soft", now.UTC().Format(time.RFC3339) // where it was blocked by hand
	if r.State == bounce.StateBad {
		weight = "hard"
	}
	if r.LastFailureAt != nil {
		at = *r.LastFailureAt
	}
	return marshal(struct {
		Email     string `json:"email"`
		Source    string `json:"source"`
		Type      string `json:"type"`
		CreatedAt string `json:"created_at"`
		Meta      any    `json:"meta"`
	}{r.Recipient, "bouncetail", weight, at, struct {
		Category bounce.Category `json:"category"`
		Reason   bounce.Reason   `json:"reason"`
		SMTPCode int             `json:"smtp_code,omitempty"`
		Reply    string          `json:"reply,omitempty"`
		Seq      int64           `json:"seq"`
	}{r.Category, r.Reason, r.SMTPCode, r.Reply, r.Seq}})
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// SignatureHeader holds when a request was signed, and by what.
const SignatureHeader = "X-Bouncetail-Signature"

// Sign returns the value of the header: the time, which keeps an old request
// from being sent again by somebody else, and the HMAC-SHA-256 of it and the
// body.
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}
