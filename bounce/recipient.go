package bounce

// Recipient is the state of an address after all its failures, deliveries and
// manual decisions: a row of the table recipients. Category and Reason are empty if
// it never failed. The JSON keys are the names of the columns. Times are as stored
// (RFC 3339, UTC, milliseconds), or nil.
type Recipient struct {
	Recipient      string   `json:"recipient"`
	Domain         string   `json:"domain"`
	State          State    `json:"state"`
	DecidedBy      Decider  `json:"decided_by"`
	Category       Category `json:"category"`
	Reason         Reason   `json:"reason"`
	FirstFailureAt *string  `json:"first_failure_at"` // nil if it never failed
	LastFailureAt  *string  `json:"last_failure_at"`
	LastDeliveryAt *string  `json:"last_delivery_at"` // nil if none was seen
	PermanentCount int      `json:"permanent_count"`
	RetryCount     int      `json:"retry_count"`
	BadSince       *string  `json:"bad_since"`      // nil if the state is not bad
	BadUntil       *string  `json:"bad_until"`      // nil if the state is not bad, or bad for ever
	LastBounceID   *int64   `json:"last_bounce_id"` // nil if it never failed
	// Seq grows with every change of any recipient. Of two versions of a row, the one
	// with the higher number is the later.
	Seq int64 `json:"seq"`
	// SMTPCode and Reply are those of the failure that decided; 0 and empty if there
	// was no reply.
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
