package webhook

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// The receivers below behave like the programs for bounces. They are written from the
// documentation of the programs, and use no code of this package.

// listmonk is POST /webhooks/bounce of listmonk.
type listmonk struct {
	user, password string
	disabled       bool
	blocked        []string // domains that it refuses
	bounces        []string // type and address
	invalid        int      // requests with an address that it cannot store
}

func (l *listmonk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.disabled {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if user, password, _ := r.BasicAuth(); user != l.user || password != l.password {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"message":"invalid API credentials"}`)
		return
	}
	var b struct {
		Email, Source, Type string
		CreatedAt           time.Time `json:"created_at"`
		Meta                json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil || !slices.Contains([]string{"hard", "soft", "complaint"}, b.Type) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	email := strings.ToLower(strings.TrimSpace(b.Email))
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email {
		l.invalid++
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message":"Invalid email."}`)
		return
	}
	if slices.Contains(l.blocked, email[strings.LastIndexByte(email, '@')+1:]) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.bounces = append(l.bounces, b.Type+" "+email)
	_, _ = io.WriteString(w, `{"data":true}`)
}

// sendgridReceiver checks the signature as SendGrid documents it, and as listmonk
// does: a request without one is refused.
type sendgridReceiver struct {
	key    *ecdsa.PublicKey
	events []map[string]any
}

func (s *sendgridReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	der, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Email-Event-Webhook-Signature"))
	var signature struct{ R, S *big.Int }
	if _, bad := asn1.Unmarshal(der, &signature); err != nil || bad != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	sum := sha256.Sum256(append([]byte(r.Header.Get("X-Twilio-Email-Event-Webhook-Timestamp")), body...))
	var events []map[string]any
	if !ecdsa.Verify(s.key, sum[:], signature.R, signature.S) || json.Unmarshal(body, &events) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.events = append(s.events, events...)
}

// mailgunReceiver checks the signature in the body, and refuses with 406.
type mailgunReceiver struct {
	key    string
	events []map[string]any
}

func (m *mailgunReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Signature struct{ Timestamp, Token, Signature string }
		Event     map[string]any `json:"event-data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(m.key))
	mac.Write([]byte(b.Signature.Timestamp + b.Signature.Token))
	if hex.EncodeToString(mac.Sum(nil)) != b.Signature.Signature || len(b.Signature.Token) != 50 {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	m.events = append(m.events, b.Event)
}

// postmarkReceiver requires the types that Postmark documents, and a header chosen by
// its owner.
type postmarkReceiver struct{ bounces []map[string]any }

var postmarkTypes = map[string]int{"HardBounce": 1, "Transient": 2, "SoftBounce": 4096, "ManuallyDeactivated": 100002}

func (p *postmarkReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Api-Key") != "hunter2" || r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var known struct {
		RecordType, Type, MessageID, Email string
		ID, TypeCode                       int64
		BouncedAt                          time.Time
		Metadata                           map[string]string
		Inactive                           bool
	}
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &known) != nil || known.RecordType != "Bounce" || int64(postmarkTypes[known.Type]) != known.TypeCode || known.ID < 1 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var b map[string]any
	_ = json.Unmarshal(body, &b)
	p.bounces = append(p.bounces, b)
}
