package bounce

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is what bouncetail makes of a failed delivery attempt.
type Verdict struct {
	Category    Category
	Reason      Reason
	Scope       Scope
	Disposition Disposition
	// Suppress tells that this one failure says that the address itself is
	// bad, which is a separate question from Disposition.
	Suppress bool
	// Rule is the stable id of the rule that decided.
	Rule string
	// Provider is the slug of the receiving provider, such as "google", and
	// empty where it is not known.
	Provider string

	// What the reply says beside the verdict.
	Blocklist  string        // the name of the blocklist, such as "zen.spamhaus.org"
	RetryAfter time.Duration // how long the other side asks to wait
	URL        string        // the page that the reply points to
}

// Disposition is the retry-or-permanent flag, for this message and this
// recipient.
type Disposition string

// The dispositions, as they are stored.
const (
	Retry     Disposition = "retry"
	Permanent Disposition = "permanent"
)

// Category is one of the nine categories of the guide to SMTP errors that
// bouncetail follows, or Unclassified.
type Category string

// The categories, as they are stored.
const (
	Blocked          Category = "blocked"
	DMARC            Category = "dmarc"
	InvalidAddress   Category = "invalid-address"
	Mailbox          Category = "mailbox"
	MailboxFull      Category = "mailbox-full"
	RateLimit        Category = "rate-limit"
	RecipientError   Category = "recipient-error"
	Rejection        Category = "rejection"
	SenderReputation Category = "sender-reputation"
	Unclassified     Category = "unclassified"
)

// Scope is whose problem a failure is.
type Scope string

// The scopes, as they are stored.
const (
	ScopeRecipient Scope = "recipient" // the address itself
	ScopeDomain    Scope = "domain"    // everyone at the recipient's domain
	ScopeSender    Scope = "sender"    // our address, domain or IP
	ScopeMessage   Scope = "message"   // this message's content or size
	ScopeNetwork   Scope = "network"   // the way between the servers
	ScopeLocal     Scope = "local"     // our own server's settings
)

// Reason is the finer, stable slug under a category. Reasons lists them all.
type Reason string

// State is what all failures and deliveries of an address together say.
type State string

// The states, as they are stored.
const (
	StateBad     State = "bad"     // stop writing to it
	StateSuspect State = "suspect" // a failure says bad, in a crowd of failures that may be an outage
	StateFailing State = "failing" // failures that prove nothing
	StateOK      State = "ok"
)

// ParseState returns the state of a name. The error of an unknown name lists the
// known ones; the error of a former name says what it is now.
func ParseState(name string) (State, error) {
	switch s := State(name); s {
	case StateBad, StateSuspect, StateFailing, StateOK:
		return s, nil
	}
	if name == "retry" {
		return "", errors.New(`the state "retry" is now called "failing"`)
	}
	return "", fmt.Errorf("%q is not one of bad, suspect, failing, ok", name)
}
