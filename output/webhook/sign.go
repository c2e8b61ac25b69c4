package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/bouncetail/bouncetail/internal/openfile"
)

// SignatureHeader holds when a request was signed, and the signature.
const SignatureHeader = "X-Bouncetail-Signature"

// Sign returns the value of the header: the time, which prevents replays of an old
// request, and the HMAC-SHA-256 of it and the body.
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

// newKey returns a key pair for the kind sendgrid: the private key in PEM, for
// key_file, and the public key as receivers want it (PKIX, DER in base64).
func newKey() (private []byte, public string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	public, err = publicKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), public, err
}

// ParseKey reads a private key in PEM: PKCS #8, or SEC 1 as OpenSSL writes it.
func ParseKey(text []byte) (*ecdsa.PrivateKey, error) {
	// OpenSSL can put the parameters of the curve in front.
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return key, nil
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if private, is := key.(*ecdsa.PrivateKey); err == nil && is {
			return private, nil
		}
	}
	return nil, errors.New("the file contains no ECDSA private key in PEM; make one with bouncetail webhooks key")
}

// publicKey returns the public key as receivers want it.
func publicKey(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return base64.StdEncoding.EncodeToString(der), err
}

// KeyPair returns the public key of the private key in a file, which it creates if it
// does not exist.
func KeyPair(path string) (public string, err error) {
	private, public, err := newKey()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		text, err := openfile.Read(path, 1<<20)
		if err != nil {
			return "", err
		}
		key, err := ParseKey(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return publicKey(key)
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(private)
	return public, errors.Join(err, f.Sync(), f.Close())
}
