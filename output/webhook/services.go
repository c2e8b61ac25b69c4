package webhook

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// The bodies of this file have the shapes in which mail services report bounces.
// Fields that are not in the log (campaign, tag, stream, subject) are omitted.

// happened returns when a bounce happened: its failure, or now for an address that
// was blocked by hand.
func happened(r *bounce.Change, now time.Time) time.Time {
	for _, at := range []string{failure(r).OccurredAt, deref(r.LastFailureAt), deref(r.BadSince)} {
		if t, err := time.Parse(time.RFC3339, at); err == nil {
			return t.UTC()
		}
	}
	return now.UTC()
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// eventID identifies the bounce: the same in every repeat of a request, and
// different for the spellings of an address.
func eventID(r *bounce.Change) string {
	id := cmp.Or(failure(r).EventID, fmt.Sprintf("change-%d", r.Seq))
	if !strings.HasSuffix(r.Address(), "@"+r.Domain) {
		id += "-unicode"
	}
	return id
}

// statusCode returns the enhanced status code of a bounce (RFC 3463).
func statusCode(r *bounce.Change) string {
	class := "5.0.0"
	if r.State != bounce.StateBad {
		class = "4.0.0"
	}
	return cmp.Or(failure(r).EnhancedCode, class)
}

// reply returns the reply of the other side.
func reply(r *bounce.Change) string {
	if r.DecidedBy == bounce.ByHand {
		return "blocked by hand"
	}
	return cmp.Or(failure(r).Reply, string(r.Reason))
}

func angled(messageID string) string {
	if messageID == "" {
		return ""
	}
	return "<" + messageID + ">"
}

// sendgridEvent is an event of SendGrid's Event Webhook.
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
type sendgridEvent struct {
	Email          string `json:"email"`
	Timestamp      int64  `json:"timestamp"`
	SMTPID         string `json:"smtp-id,omitempty"`
	Event          string `json:"event"`
	EventID        string `json:"sg_event_id"`
	Type           string `json:"type,omitempty"`
	Classification string `json:"bounce_classification,omitempty"`
	Reason         string `json:"reason,omitempty"`
	Status         string `json:"status,omitempty"`
	Response       string `json:"response,omitempty"`
	Attempt        string `json:"attempt,omitempty"`
}

// sendgridBody reports bad addresses as "bounce", those blocked by hand as
// "dropped", because no server refused anything, and soft bounces as "deferred":
// receivers treat every "bounce" as a hard one.
func sendgridBody(_ *Hook, rows []bounce.Change, now time.Time) ([]byte, error) {
	var events []sendgridEvent
	for i := range rows {
		r := &rows[i]
		e := sendgridEvent{
			Email: r.Address(), Timestamp: happened(r, now).Unix(), SMTPID: angled(failure(r).MessageID),
			Event: "bounce", EventID: eventID(r),
		}
		switch {
		case r.State != bounce.StateBad:
			e.Event, e.Response, e.Attempt = "deferred", reply(r), strconv.Itoa(max(1, r.RetryCount))
		case r.DecidedBy == bounce.ByHand:
			e.Event, e.Reason, e.Status = "dropped", "Bounced Address", statusCode(r)
		default:
			e.Type, e.Reason, e.Status, e.Classification = "bounce", reply(r), statusCode(r), "Invalid Address"
			if r.DecidedBy == bounce.ByPolicy {
				e.Classification = "Mailbox Unavailable"
			}
		}
		events = append(events, e)
	}
	return marshal(events)
}

type mailgunSignature struct {
	Timestamp string `json:"timestamp"`
	Token     string `json:"token"`
	Signature string `json:"signature"`
}

type mailgunStatus struct {
	Code         int    `json:"code"`
	Message      string `json:"message"`
	Description  string `json:"description"`
	EnhancedCode string `json:"enhanced-code,omitempty"`
	AttemptNo    int    `json:"attempt-no,omitempty"`
}

type mailgunHeaders struct {
	MessageID string `json:"message-id,omitempty"`
	To        string `json:"to"`
}

type mailgunMessage struct {
	Headers     mailgunHeaders `json:"headers"`
	Attachments []string       `json:"attachments"`
}

type mailgunEvent struct {
	Event     string          `json:"event"`
	ID        string          `json:"id"`
	Timestamp float64         `json:"timestamp"`
	LogLevel  string          `json:"log-level"`
	Severity  string          `json:"severity"`
	Reason    string          `json:"reason"`
	Recipient string          `json:"recipient"`
	Domain    string          `json:"recipient-domain"`
	Status    mailgunStatus   `json:"delivery-status"`
	Message   mailgunMessage  `json:"message"`
	Flags     map[string]bool `json:"flags"`
	Tags      []string        `json:"tags"`
	Variables map[string]bool `json:"user-variables"`
	Campaigns []string        `json:"campaigns"`
}

// mailgunBody is one event "failed" of Mailgun's webhooks, with its signature.
// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
func mailgunBody(h *Hook, rows []bounce.Change, now time.Time) ([]byte, error) {
	r := &rows[0]
	f := failure(r)
	at := r.Address()
	e := mailgunEvent{
		Event: "failed", ID: eventID(r), Timestamp: float64(happened(r, now).UnixMilli()) / 1000,
		LogLevel: "error", Severity: "permanent", Reason: "bounce",
		Recipient: at, Domain: at[strings.LastIndexByte(at, '@')+1:],
		Status:  mailgunStatus{Code: f.SMTPCode, Message: reply(r), EnhancedCode: f.EnhancedCode},
		Message: mailgunMessage{mailgunHeaders{f.MessageID, at}, []string{}},
		Flags:   map[string]bool{}, Tags: []string{}, Variables: map[string]bool{}, Campaigns: []string{},
	}
	switch {
	case r.State != bounce.StateBad:
		e.LogLevel, e.Severity, e.Reason, e.Status.AttemptNo = "warn", "temporary", "generic", max(1, r.RetryCount)
	case r.DecidedBy == bounce.ByHand:
		// Mailgun's own event for an address on its list of bounces.
		e.Reason, e.Status = "suppress-bounce", mailgunStatus{Code: 605, Description: "Not delivering to previously bounced address"}
	case r.DecidedBy == bounce.ByPolicy:
		e.Reason = "generic"
	}
	token := make([]byte, 25)
	if _, err := rand.Read(token); err != nil {
		return nil, err
	}
	s := mailgunSignature{Timestamp: strconv.FormatInt(now.Unix(), 10), Token: hex.EncodeToString(token)}
	s.Signature = mailgunSign(h.Secret, s.Timestamp, s.Token)
	return marshal(struct {
		Signature mailgunSignature `json:"signature"`
		Event     mailgunEvent     `json:"event-data"`
	}{s, e})
}

// postmarkBody is one bounce of Postmark's webhook.
// https://postmarkapp.com/developer/webhooks/bounce-webhook, the types:
// https://postmarkapp.com/developer/api/bounce-api#bounce-types
func postmarkBody(_ *Hook, rows []bounce.Change, now time.Time) ([]byte, error) {
	r := &rows[0]
	f := failure(r)
	b := struct {
		RecordType  string
		ID          int64
		Type        string
		TypeCode    int
		Name        string
		MessageID   string
		Metadata    map[string]string
		Description string
		Details     string
		Email       string
		From        string `json:",omitempty"`
		BouncedAt   string
		Inactive    bool
	}{
		RecordType: "Bounce", ID: postmarkID(eventID(r)), Type: "HardBounce", TypeCode: 1, Name: "Hard bounce",
		MessageID: f.MessageID, Metadata: map[string]string{},
		Description: "The mailbox or its domain does not exist.",
		Details:     reply(r), Email: r.Address(), From: f.Sender, BouncedAt: happened(r, now).Format(stored), Inactive: true,
	}
	switch {
	case r.State != bounce.StateBad:
		b.Type, b.TypeCode, b.Name, b.Inactive = "Transient", 2, "Message delayed", false
		b.Description = "The mailbox did not accept the message, and may accept it later."
	case r.DecidedBy == bounce.ByHand:
		b.Type, b.TypeCode, b.Name = "ManuallyDeactivated", 100002, "Manually deactivated"
		b.Description = "The address was blocked by hand."
	case r.DecidedBy == bounce.ByPolicy:
		b.Type, b.TypeCode, b.Name = "SoftBounce", 4096, "Soft bounce"
		b.Description = "The mailbox did not accept messages for a long time."
	}
	return marshal(b)
}

// postmarkID returns 53 bits of an event's ID, because JavaScript reads no larger
// numbers.
func postmarkID(event string) int64 {
	sum := sha256.Sum256([]byte(event))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 11)
}
