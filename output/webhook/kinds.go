package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Kind is a shape of requests.
type Kind struct {
	Name string
	// single is set if a request holds one recipient.
	single bool
	// bounces is set if a request reports bounces of addresses and not changes of
	// recipients: only bad ones, soft bounces if asked for, and only addresses
	// that list programs store.
	bounces bool
	body    func(h *Hook, rows []bounce.Change, now time.Time) ([]byte, error)
	// test returns a body that changes nothing in the program.
	test func(h *Hook, now time.Time) ([]byte, error)
	// sign adds the headers by which the program knows the sender.
	sign func(h *Hook, header http.Header, body []byte, now time.Time) error
}

// Kinds are the kinds of hooks.
var Kinds = []Kind{
	{Name: "json", body: jsonBody, test: jsonTest, sign: signHeader},
	{Name: "listmonk", single: true, bounces: true, body: listmonkBody, test: bounceTest(listmonkBody), sign: signHeader},
	{Name: "sendgrid", bounces: true, body: sendgridBody, test: bounceTest(sendgridBody), sign: signSendGrid},
	{
		Name:    "mailgun",
		single:  true,
		bounces: true,
		body:    mailgunBody,
		test:    bounceTest(mailgunBody),
		sign:    signNothing, // the body holds its signature
	},
	{Name: "postmark", single: true, bounces: true, body: postmarkBody, test: bounceTest(postmarkBody), sign: signHeader},
}

func kind(name string) Kind {
	for _, k := range Kinds {
		if k.Name == name {
			return k
		}
	}
	return Kinds[0] // the settings were checked
}

// payload is a recipient as the kind json has it: the columns of the table
// recipients, and those of the failure that decided.
type payload struct {
	*bounce.Recipient
	// Unicode is the address with its domain in letters, if that is another
	// spelling.
	Unicode      string  `json:"recipient_unicode,omitempty"`
	SMTPCode     *int    `json:"smtp_code"` // null if the other side said nothing
	EnhancedCode *string `json:"enhanced_code"`
	Reply        *string `json:"reply"`
	Scope        *string `json:"scope"`
	MessageID    *string `json:"message_id"`
	EventID      *string `json:"event_id"`
}

func payloadOf(r *bounce.Change) payload {
	p := payload{Recipient: &r.Recipient}
	if all := spelled([]bounce.Change{*r}); len(all) > 1 {
		p.Unicode = all[1].Address()
	}
	f := r.Failure
	if f == nil {
		return p
	}
	if f.SMTPCode != 0 {
		p.SMTPCode = &f.SMTPCode
	}
	scope := string(f.Scope)
	p.EnhancedCode, p.Reply, p.Scope = optional(f.EnhancedCode), optional(f.Reply), optional(scope)
	p.MessageID, p.EventID = optional(f.MessageID), optional(f.EventID)
	return p
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type jsonRequest struct {
	Webhook    string    `json:"webhook"`
	Test       bool      `json:"test,omitempty"`
	Recipients []payload `json:"recipients"`
}

func jsonBody(h *Hook, rows []bounce.Change, _ time.Time) ([]byte, error) {
	body := jsonRequest{Webhook: h.Name}
	for i := range rows {
		body.Recipients = append(body.Recipients, payloadOf(&rows[i]))
	}
	return marshal(body)
}

// jsonTest has no recipients.
func jsonTest(h *Hook, _ time.Time) ([]byte, error) {
	return marshal(jsonRequest{Webhook: h.Name, Test: true, Recipients: []payload{}})
}

// bounceTest makes a soft bounce of an address that cannot exist.
func bounceTest(body func(*Hook, []bounce.Change, time.Time) ([]byte, error)) func(*Hook, time.Time) ([]byte, error) {
	return func(h *Hook, now time.Time) ([]byte, error) {
		at := now.UTC().Format(stored)
		test := bounce.Change{
			Recipient: bounce.Recipient{
				Recipient: testAddress, Domain: "example.invalid", State: bounce.StateFailing,
				Category: bounce.MailboxFull, Reason: bounce.MailboxFullReason, LastFailureAt: &at, RetryCount: 1,
			},
			Failure: &bounce.Failure{
				EventID: "bouncetail-test", OccurredAt: at, MessageID: "bouncetail-test@example.invalid",
				SMTPCode: 452, EnhancedCode: "4.2.2", Reply: "452 4.2.2 Test of bouncetail, nothing has bounced",
				Scope: bounce.ScopeRecipient, Category: bounce.MailboxFull,
			},
		}
		return body(h, []bounce.Change{test}, now)
	}
}

// stored is the layout of times in the database.
const stored = "2006-01-02T15:04:05.000Z"

// listmonkBody is the body of listmonk's POST /webhooks/bounce: one bounce
// (https://listmonk.app/docs/bounces/). A hard bounce counts towards its setting
// for hard ones, a soft bounce towards the one for soft ones.
func listmonkBody(_ *Hook, rows []bounce.Change, now time.Time) ([]byte, error) {
	r := &rows[0]
	weight, at := "soft", now.UTC().Format(time.RFC3339) // if it was blocked by hand
	if r.State == bounce.StateBad {
		weight = "hard"
	}
	if r.LastFailureAt != nil {
		at = *r.LastFailureAt
	}
	f := failure(r)
	return marshal(struct {
		Email     string `json:"email"`
		Source    string `json:"source"`
		Type      string `json:"type"`
		CreatedAt string `json:"created_at"`
		Meta      any    `json:"meta"`
	}{r.Address(), "bouncetail", weight, at, struct {
		Category  bounce.Category `json:"category"`
		Reason    bounce.Reason   `json:"reason"`
		SMTPCode  int             `json:"smtp_code,omitempty"`
		Reply     string          `json:"reply,omitempty"`
		MessageID string          `json:"message_id,omitempty"`
		Seq       int64           `json:"seq"`
	}{r.Category, r.Reason, f.SMTPCode, f.Reply, f.MessageID, r.Seq}})
}

// failure returns the failure of a change, or an empty one.
func failure(r *bounce.Change) bounce.Failure {
	if r.Failure == nil {
		return bounce.Failure{}
	}
	return *r.Failure
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
