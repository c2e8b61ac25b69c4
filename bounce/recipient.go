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
