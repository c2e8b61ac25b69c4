package webhook

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// SignatureHeader holds when a request was signed, and the signature.
const SignatureHeader = "X-Bouncetail-Signature"

// Sign returns the value of the header: the time, which keeps others from sending
// an old request again, and the HMAC-SHA-256 of it and the body.
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

func signHeader(h *Hook, header http.Header, body []byte, now time.Time) error {
	if h.Secret != "" {
		header.Set(SignatureHeader, Sign(h.Secret, now, body))
	}
	return nil
}

func signNothing(*Hook, http.Header, []byte, time.Time) error { return nil }

// The headers of SendGrid's signature.
const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// signSendGrid signs the time and the body with ECDSA; the signature is DER in
// base64.
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
func signSendGrid(h *Hook, header http.Header, body []byte, now time.Time) error {
	if h.SigningKey == nil {
		return nil
	}
	at := strconv.FormatInt(now.Unix(), 10)
	sum := sha256.Sum256(append([]byte(at), body...))
	signature, err := ecdsa.SignASN1(rand.Reader, h.SigningKey, sum[:])
	if err != nil {
		return errors.New("the request cannot be signed with the key of key_file")
	}
	header.Set(sendgridSignature, base64.StdEncoding.EncodeToString(signature))
	header.Set(sendgridTimestamp, at)
	return nil
}

// mailgunSign returns the HMAC-SHA-256 of the time and the token.
// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
func mailgunSign(key, timestamp, token string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + token))
	return hex.EncodeToString(mac.Sum(nil))
}
