package bounce

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is the classification of a failed delivery attempt.
type Verdict struct {
	Category    Category
	Reason      Reason
	Scope       Scope
	Disposition Disposition
	// Suppress means that this failure alone shows that the address is bad. It is
	// independent of Disposition.
	Suppress bool
	// Rule is the stable id of the rule that decided.
	Rule string
	// Provider is the slug of the receiving provider, such as "google", or empty if
	// it is not known.
	Provider string

	// What else the reply says.
	Blocklist  string        // the name of the blocklist, such as "zen.spamhaus.org"
	RetryAfter time.Duration // how long the other side asks to wait
	URL        string        // the page that the reply points to
}

// Disposition says whether trying this message again for this recipient makes
// sense.
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
	ScopeNetwork   Scope = "network"   // the connection between the servers
	ScopeLocal     Scope = "local"     // our own server's configuration
)

// Reason is the finer, stable slug under a category. Reasons lists them all.
type Reason string

// State is what follows from all failures and deliveries of an address.
type State string

// The states, as they are stored.
const (
	StateBad     State = "bad"     // stop writing to it
	StateSuspect State = "suspect" // failed as a bad address does, but in a crowd that may be an outage
	StateFailing State = "failing" // failed, which proves nothing
	StateOK      State = "ok"
)

// ParseState returns the state with a name. The error for an unknown name lists the
// states; the error for a former name gives the new name.
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
