// Package bounce holds the words that bouncetail is built from: what a mail
// server's log says of a delivery attempt, what is made of it, and where in
// the logs it was read.
//
// Every stage of the program takes and gives these types and imports none of
// the other stages:
//
//	bytes ─ tailer ─▶ Chunk ─ logparse ─▶ Event ─ queue ─▶ Delivery ─ classify ─▶ Record ─ sqlite
//
// The package imports the standard library alone. If two stages seem to need
// each other, a word is missing here.
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

// Reply is why a delivery attempt ended as it did: the other side's words, or
// the MTA's own where the other side said nothing.
type Reply struct {
	// SMTPCode is the three-digit code of the line that decides, and 0 where
	// the other side said nothing; the text is the MTA's own wording then.
	SMTPCode int
	// EnhancedCode is the RFC 3463 code within the reply's own text, such as
	// "5.1.1", and empty where it has none. It is never the MTA's dsn=.
	EnhancedCode string
	// Text is the whole reply with its codes, its lines joined by one space,
	// valid UTF-8 without control characters or direction marks.
	Text      string
	Stage     Stage
	RelayHost string // who was asked, lower case, without a final dot
	RelayIP   string
	RelayPort int // 0 where the log does not say
}

// Remote reports whether the other side said anything.
func (r *Reply) Remote() bool { return r.SMTPCode != 0 }

// EventID identifies a line of a log by its content, so that the same line
// gives the same id wherever it is read: live, in a copy, in an archive. Its
// first four bytes are the stamp, so that ids grow with time and an index on
// them is appended to rather than scattered over; the other eight are the head
// of a SHA-256. Of a delivery that succeeded they are those of a faster hash,
// for it is only counted, and once.
type EventID [12]byte

// NewEventID returns the id of line. The stamp is in seconds and taken from
// the line alone (a stamp without a year counts from the start of its year),
// because what is inferred from outside may differ between two readings.
func NewEventID(stamp uint32, line string) EventID {
	var buf [512]byte // longer ones are allocated
	return eventID(stamp, sha256.Sum256(append(buf[:0], line...)))
}

// NewSuccessID returns the id of a line that tells of a delivery that
// succeeded, out of a hash of the line that never changes.
func NewSuccessID(stamp uint32, hash uint64) EventID {
	var id EventID
	binary.BigEndian.PutUint32(id[:], stamp)
	binary.BigEndian.PutUint64(id[4:], hash)
	return id
}

// ForRecipient returns the id of the part of an event that concerns one
// recipient, for the lines that speak of all recipients of a message at once.
func (id EventID) ForRecipient(recipient string) EventID {
	sum := sha256.Sum256(append(id[:], recipient...))
	return eventID(binary.BigEndian.Uint32(id[:]), sum)
}

// String returns the 24 hexadecimal digits under which the id is stored.
func (id EventID) String() string { return hex.EncodeToString(id[:]) }

func eventID(stamp uint32, sum [sha256.Size]byte) EventID {
	var id EventID
	binary.BigEndian.PutUint32(id[:], stamp)
	copy(id[4:], sum[:])
	return id
}

// EventKind tells what a line says.
type EventKind uint8

// The kinds of events.
const (
	// EventMessage tells the sender or the message-id of a queue ID.
	EventMessage EventKind = iota + 1
	// EventAttempt tells the outcome of one delivery attempt for one recipient.
	EventAttempt
	// EventGaveUp tells that the MTA gave up on the whole message for its age:
	// what happened to each recipient is its last deferral.
	EventGaveUp
	// EventRemoved tells that the message has left the queue, and its queue ID
	// may be used again.
	EventRemoved
)

// Event is what one line of a log says, before other lines are consulted: as
// much of a delivery as it tells.
type Event struct {
	Kind EventKind
	Delivery
	// Handover reports a success that may be a content filter's: a program, or a
	// server of this machine or its own network, took the message and may give
	// it back as another one.
	Handover bool
	// Server reports that it was a server, and not a program.
	Server bool
	// Discarded reports a success of which nothing was delivered.
	Discarded bool
	// Onward is the queue ID under which such a server took the message. If that
	// message is in a queue of the logs, it decides what became of the recipient.
	Onward string
}

// Delivery is an attempt, with what earlier lines said of its message.
type Delivery struct {
	ID      EventID
	At      time.Time
	Host    string // the host in the syslog header; empty where there is none
	MTA     MTA
	QueueID string // empty where the MTA names none for this attempt

	// What EventMessage tells, and an EventAttempt whose line names them. The
	// null sender is the empty string with HasSender set.
	Sender    string
	HasSender bool
	MessageID string // without its angle brackets

	// What EventAttempt alone tells.
	Recipient         string // as logged, without angle brackets
	OriginalRecipient string // before aliases; empty where the log names none
	Outcome           Outcome
	// Transport names the part of the MTA that made the attempt: the Postfix
	// daemon ("smtp", "lmtp", "pipe", "error"), Exim's T=, Sendmail's mailer=.
	// Router is Exim's R=. Both are empty if the log does not name them.
	Transport, Router string
	DSN               string // the status that the MTA logged, such as "5.0.0"
	Reply             Reply  // of an expired delivery: its last deferral's
}

// Address is a recipient's address in the two spellings that are kept.
type Address struct {
	// Normal is the address for comparing: lower case, its domain as IDNA
	// A-labels.
	Normal string
	// Domain is what follows the last @ of Normal; empty for a local user.
	Domain string
	// Logged is the spelling in the log, and empty where it is Normal.
	Logged string
}

// Lower returns a text in lower case, for finding places in it: where that is of
// another length, its ASCII letters alone.
func Lower(text string) string {
	lower := strings.ToLower(text)
	if len(lower) != len(text) {
		return LowerASCII(text)
	}
	return lower
}

// LowerASCII returns a text, or any bytes, with its ASCII letters in lower case.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Key is the number under which everything about an address is indexed: the
// head of the SHA-256 of its normal spelling, so that no table of numbers has
// to be kept or asked.
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

// Success is a delivery that succeeded. Nearly all do, so it is small and holds
// no pointer.
type Success struct {
	ID     EventID
	Domain uint32 // of the recipient: its place in Batch.Domains
	At     int64  // Unix milliseconds
	Key    int64  // of the recipient, see Address.Key
}
