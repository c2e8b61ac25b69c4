// Package bounce declares the types that the stages of bouncetail exchange:
// delivery attempts, replies, verdicts, recipients, and positions in logs.
//
// Every stage takes and returns these types and imports none of the other
// stages:
//
//	bytes ─ tailer ─▶ Chunk ─ logparse ─▶ Event ─ queue ─▶ Delivery ─ classify ─▶ Record ─ sqlite
//
// The package imports only the standard library. If two stages seem to need
// each other, a type is missing here.
package bounce

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// MTA names a mail server program.
type MTA string

// The mail servers whose logs are read.
const (
	Postfix   MTA = "postfix"
	Exim      MTA = "exim"
	Sendmail  MTA = "sendmail"
	OpenSMTPD MTA = "opensmtpd"
)

// MTAs lists their names. logparse has a grammar for each.
var MTAs = []string{string(Postfix), string(Exim), string(Sendmail), string(OpenSMTPD)}

// Outcome is what the MTA did with one recipient in one delivery attempt.
type Outcome string

// The outcomes, as they are stored.
const (
	Sent     Outcome = "sent"
	Deferred Outcome = "deferred" // the MTA will try again
	Bounced  Outcome = "bounced"  // the MTA gave up
	Expired  Outcome = "expired"  // the MTA gave up after deferring for too long
)

// Stage is the point of the SMTP dialogue at which the other side answered.
// The zero value means that the log does not say, or that nothing answered.
type Stage string

// The stages, in the order of a dialogue.
const (
	StageConnect   Stage = "connect"
	StageGreeting  Stage = "greeting"
	StageEHLO      Stage = "EHLO"
	StageTLS       Stage = "STARTTLS"
	StageAuth      Stage = "AUTH"
	StageMailFrom  Stage = "MAIL FROM"
	StageRcptTo    Stage = "RCPT TO"
	StageData      Stage = "DATA"
	StageEndOfData Stage = "end of DATA"
)

// Reply is the reason for the outcome of a delivery attempt: the reply of the
// other side, or the MTA's own message if there was no reply.
type Reply struct {
	// SMTPCode is the three-digit code of the line that decides. It is 0 if the
	// other side sent no reply; Text is then the MTA's own message.
	SMTPCode int
	// EnhancedCode is the RFC 3463 code within Text, such as "5.1.1", or empty. It
	// is never the MTA's dsn=.
	EnhancedCode string
	// Text is the whole reply with its codes. Its lines are joined by one space;
	// it is valid UTF-8 without control characters or direction marks.
	Text      string
	Stage     Stage
	RelayHost string // in lower case, without a final dot
	RelayIP   string
	RelayPort int // 0 if the log does not name it
}

// Remote reports whether the other side sent a reply.
func (r *Reply) Remote() bool { return r.SMTPCode != 0 }

// EventID identifies a log line by its content, so that a line has the same id
// wherever it is read: live, in a copy or in an archive. The first four bytes are
// the stamp, so that ids grow with time and new entries of an index on them lie
// next to each other. The other eight are the start of a SHA-256. A success has a
// faster hash instead, because its id is used only to count it once.
type EventID [12]byte

// NewEventID returns the id of a line. The stamp is in seconds and follows from
// the line only: a stamp without a year counts from the start of its year, because
// the inferred year may differ between two readings.
func NewEventID(stamp uint32, line string) EventID {
	var buf [512]byte // longer ones are allocated
	return eventID(stamp, sha256.Sum256(append(buf[:0], line...)))
}

// NewSuccessID returns the id of a line that logs a successful delivery. The hash
// of the line must not change between versions.
func NewSuccessID(stamp uint32, hash uint64) EventID {
	var id EventID
	binary.BigEndian.PutUint32(id[:], stamp)
	binary.BigEndian.PutUint64(id[4:], hash)
	return id
}

// ForRecipient returns the id of one recipient's part of an event, for lines that
// log all recipients of a message at once.
func (id EventID) ForRecipient(recipient string) EventID {
	sum := sha256.Sum256(append(id[:], recipient...))
	return eventID(binary.BigEndian.Uint32(id[:]), sum)
}

// String returns the id in the 24 hexadecimal digits in which it is stored.
func (id EventID) String() string { return hex.EncodeToString(id[:]) }

func eventID(stamp uint32, sum [sha256.Size]byte) EventID {
	var id EventID
	binary.BigEndian.PutUint32(id[:], stamp)
	copy(id[4:], sum[:])
	return id
}

// EventKind is the kind of information in a line.
type EventKind uint8

// The kinds of events.
const (
	// EventMessage has the sender or the message-id of a queue ID.
	EventMessage EventKind = iota + 1
	// EventAttempt has the outcome of one delivery attempt for one recipient.
	EventAttempt
	// EventGaveUp means that the MTA gave up on the whole message because of its
	// age. The reason for each recipient is its last deferral.
	EventGaveUp
	// EventRemoved means that the message has left the queue. Its queue ID may be
	// reused.
	EventRemoved
)

// Event is the content of one log line: the part of a delivery that this line
// describes.
type Event struct {
	Kind EventKind
	Delivery
	// Handover reports a success that may be a content filter's: a program, or a
	// server of this machine or its own network, took the message and may give
	// it back as another one.
	Handover bool
	// Server reports that it was a server, and not a program.
	Server bool
	// Filter reports that what took it is a content filter by its name or port.
	Filter bool
	// Discarded reports a success of which nothing was delivered.
	Discarded bool
	// Onward is the queue ID under which such a server took the message. If that
	// message is in a queue of the logs, it decides what became of the recipient.
	Onward string
}

// Delivery is an attempt, together with what earlier lines logged of its message.
type Delivery struct {
	ID      EventID
	At      time.Time
	Host    string // the host in the syslog header; empty if there is none
	MTA     MTA
	QueueID string // empty if the MTA names none for this attempt

	// Set by EventMessage, and by an EventAttempt whose line names them. The null
	// sender is the empty string with HasSender set.
	Sender    string
	HasSender bool
	MessageID string // without its angle brackets

	// Set only by EventAttempt.
	Recipient         string // as logged, without angle brackets
	OriginalRecipient string // before aliases; empty if the log names none
	Outcome           Outcome
	// Transport names the part of the MTA that made the attempt: the Postfix
	// daemon ("smtp", "lmtp", "pipe", "error"), Exim's T=, Sendmail's mailer=.
	// Router is Exim's R=. Both are empty if the log does not name them.
	Transport, Router string
	DSN               string // the status that the MTA logged, such as "5.0.0"
	Reply             Reply  // if the delivery expired, that of its last deferral; of a success only RelayHost is set
	// Echo means that the MTA repeated an earlier failure without asking the other
	// side, such as Postfix's "delivery temporarily suspended".
	Echo bool
	// First means that no earlier attempt of this message for this recipient was
	// deferred. Package queue sets it.
	First bool
}

// Address is a recipient's address, in its normalized and in its logged spelling.
type Address struct {
	// Normal is the spelling used in comparisons: lower case, the domain as IDNA
	// A-labels.
	Normal string
	// Domain is the part of Normal after the last @, or empty for a local user.
	Domain string
	// Logged is the spelling in the log, or empty if that is Normal.
	Logged string
}

// Lower returns a text in lower case with every byte at its old index. If some
// letter has another length in lower case, only ASCII letters are changed.
func Lower(text string) string {
	lower := strings.ToLower(text)
	if len(lower) != len(text) {
		return LowerASCII(text)
	}
	return lower
}

// LowerASCII returns a text with its ASCII letters in lower case. The text need not
// be valid UTF-8.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Key returns the number by which an address is indexed: the start of the SHA-256
// of its normalized spelling. It can be computed without a table of addresses.
func (a Address) Key() int64 {
	var buf [96]byte // longer ones are allocated
	sum := sha256.Sum256(append(buf[:0], a.Normal...))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// Record is a failed delivery attempt with its verdict, ready to be stored.
type Record struct {
	Delivery
	Verdict
	To Address
}

// Success is a successful delivery. Nearly all deliveries are, so the type is small
// and has no pointers.
type Success struct {
	ID     EventID
	Domain uint32 // of the recipient: its index in Batch.Domains
	At     int64  // Unix milliseconds
	Key    int64  // of the recipient; see Address.Key
	// Provider is the provider's index in Batch.Providers plus 1, or 0 if it is not
	// known.
	Provider uint16
	First    bool // see Delivery
}
