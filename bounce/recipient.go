package bounce

// Recipient is what all failures and deliveries of an address come to, with
// what was decided about it by hand: a row of the table recipients. Category
// and Reason are empty where it never failed. Its JSON has the names of the
// columns. Times are as stored (RFC 3339, UTC, milliseconds), nil where there is
// none.
type Recipient struct {
	Recipient      string   `json:"recipient"`
	Domain         string   `json:"domain"`
	State          State    `json:"state"`
	DecidedBy      Decider  `json:"decided_by"`
	Category       Category `json:"category"`
	Reason         Reason   `json:"reason"`
	FirstFailureAt *string  `json:"first_failure_at"` // nil where it never failed
	LastFailureAt  *string  `json:"last_failure_at"`
	LastDeliveryAt *string  `json:"last_delivery_at"` // nil where none was seen
	PermanentCount int      `json:"permanent_count"`
	RetryCount     int      `json:"retry_count"`
	BadSince       *string  `json:"bad_since"`      // nil where the state is not bad
	BadUntil       *string  `json:"bad_until"`      // nil where it is not bad, or for ever
	LastBounceID   *int64   `json:"last_bounce_id"` // nil where it never failed
	// Seq grows with every change of any recipient: of two rows of one address,
	// the one with the higher number is the later.
	Seq int64 `json:"seq"`
	// SMTPCode and Reply are of the failure that decided; 0 and empty where
	// nothing was said.
	SMTPCode int    `json:"-"`
	Reply    string `json:"-"`
}

// Change is a changed recipient as webhooks report it.
type Change struct {
	Recipient
	// Failure decided the state; nil if it was decided by hand and the address
	// never failed.
	Failure *Failure
}

// Address returns the address of the recipient.
func (c *Change) Address() string { return c.Recipient.Recipient }

// Failure is what webhooks report of a failed attempt: columns of bounces.
type Failure struct {
	ID           int64
	EventID      string
	OccurredAt   string
	MessageID    string // without angle brackets; empty if not known
	Sender       string
	SMTPCode     int // 0 if the other side said nothing
	EnhancedCode string
	Reply        string
	Scope        Scope
	Category     Category
	// FirstID is the earliest failure of the same message and recipient with the
	// same scope: deferrals of one message are several failures. 0 unless the
	// state is failing.
	FirstID int64
}

// AboutMailbox reports whether the failure says something about the recipient's
// mailbox, such as that it is full, and nothing about us, our message or the
// network. Greylisting, blocklists, DMARC, content and rate limits do not.
func (f *Failure) AboutMailbox() bool {
	switch f.Category {
	case InvalidAddress, Mailbox, MailboxFull, RecipientError:
		return f.Scope == ScopeRecipient
	default:
		return false
	}
}

// ChangePage is a part of the changes, in their order.
type ChangePage struct {
	Changes []Change
	// UpTo is the change up to which the page has all that was asked for.
	UpTo int64
	// LastFailure is the ID of the last failure stored when the page was read.
	LastFailure int64
}
