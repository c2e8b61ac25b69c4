package privacy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// Hasher replaces the local part of addresses by a keyed hash. Without the key, the
// database does not reveal whose addresses they are, and a guess cannot be checked:
//
//	jane@example.com   h-864fb6bb1a508c83301e91fc17adc8a6@example.com
//
// The hash is the start of the HMAC-SHA256 of the normal spelling of the address, so
// any other program with the key can compute it too. An address that is hashed
// already is not changed. A nil Hasher changes no address. A Hasher is not safe for
// concurrent use.
type Hasher struct {
	mac  hash.Hash
	aead cipher.AEAD
	id   int64
	sum  [sha256.Size]byte
	// Buffers for the input and the output of the hash.
	from, out []byte
}

// shortestKey is the least length of a key in bytes.
const shortestKey = 16

// NewHasher returns a hasher. The key has at least 16 bytes.
func NewHasher(key []byte) (*Hasher, error) {
	if len(key) < shortestKey {
		return nil, fmt.Errorf("a key of %d bytes; it takes %d at least", len(key), shortestKey)
	}
	h := &Hasher{mac: hmac.New(sha256.New, key)}
	// No address contains a NUL, so these are the hashes of no address.
	block, err := aes.NewCipher(h.hash("\x00seal"))
	if err == nil {
		h.aead, err = cipher.NewGCMWithRandomNonce(block)
	}
	h.id = int64(binary.BigEndian.Uint64(h.hash("\x00id")) >> 1)
	return h, err
}

// hash returns the hash of a text, which is valid until the next call.
func (h *Hasher) hash(text string) []byte {
	h.from = append(h.from[:0], text...)
	h.mac.Reset()
	h.mac.Write(h.from)
	return h.mac.Sum(h.sum[:0])
}

// ID identifies the key without revealing it; 0 is no key.
func (h *Hasher) ID() int64 {
	if h == nil {
		return 0
	}
	return max(h.id, 1)
}

// EventID returns the id under which a line is stored. Without the key, nobody can
// check whether it is the hash of a line that they make up with an address.
func (h *Hasher) EventID(id bounce.EventID) bounce.EventID {
	copy(id[4:], h.hash("\x00event"+string(id[:])))
	return id
}

// Address returns the hashed form of an address as a log or a person wrote it;
// the null sender stays empty.
func (h *Hasher) Address(logged string) string {
	if logged == "" {
		return ""
	}
	return h.Hashed(address.Parse(logged)).Normal
}

// Hashed returns the hashed form of an address.
func (h *Hasher) Hashed(a bounce.Address) bounce.Address {
	if h == nil {
		return a
	}
	if IsHashed(a) {
		return bounce.Address{Normal: a.Normal, Domain: a.Domain}
	}
	at := len(a.Normal) - len(a.Domain)
	if a.Domain != "" {
		at--
	}
	h.out = hex.AppendEncode(append(h.out[:0], mark...), h.hash(a.Normal)[:hashBytes])
	h.out = append(h.out, a.Normal[at:]...)
	return bounce.Address{Normal: string(h.out), Domain: a.Domain}
}

const (
	mark       = "h-"
	hashBytes  = 16
	hashedSize = len(mark) + 2*hashBytes
)

// IsHashed reports whether an address is a hash.
func IsHashed(a bounce.Address) bool {
	if len(a.Normal) < hashedSize || !strings.HasPrefix(a.Normal, mark) {
		return false
	}
	for _, c := range []byte(a.Normal[len(mark):hashedSize]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	rest := a.Normal[hashedSize:]
	return rest == "" || rest[0] == '@' && rest[1:] == a.Domain
}

// Event hashes the addresses of an event. Words of a reply that are the name of the
// recipient are not hashed here, see Name.
func (h *Hasher) Event(ev *bounce.Event) {
	if ev.Kind != bounce.EventMessage && ev.Kind != bounce.EventRemoved { // nothing is stored under their id
		ev.ID = h.EventID(ev.ID)
	}
	ev.Recipient = h.Address(ev.Recipient)
	ev.OriginalRecipient = h.Address(ev.OriginalRecipient)
	ev.Sender = h.Address(ev.Sender)
	ev.Reply.Text = h.Text(ev.Reply.Text)
}

// Seal encrypts a value that must be read again and therefore cannot be hashed.
func (h *Hasher) Seal(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	return h.aead.Seal(nil, nil, data, nil)
}

// Open returns what was sealed with the same key.
func (h *Hasher) Open(sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	data, err := h.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, errors.New("what was encrypted does not open with this key")
	}
	return data, nil
}
