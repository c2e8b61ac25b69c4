package recipient

import "github.com/bouncetail/bouncetail/bounce"

// The manual decisions about an address.
const (
	Allow = "allow" // ok, whatever the logs say
	Block = "block" // bad, whatever the logs say
	Unset = "unset" // withdraws the one in force; it is not stored
)

// The manual decisions about the failures of some time.
const (
	KindRelease = "release" // they were an outage
	KindConfirm = "confirm" // they were none
)

// Decision is a manual decision about an address. Times are stored stamps.
type Decision struct {
	Recipient string  `json:"recipient"`
	Decision  string  `json:"decision"`
	Note      string  `json:"note"`
	DecidedAt string  `json:"decided_at"`
	Until     *string `json:"until"`    // nil if it does not end by itself
	EndedAt   *string `json:"ended_at"` // nil while it is in force
}

func (d *Decision) inForce(now string) bool {
	return d != nil && d.EndedAt == nil && (d.Until == nil || now < *d.Until)
}

// Release is an outage whose failures say nothing about the addresses. Times are
// stored stamps. Empty fields match everything.
type Release struct {
	ID          int64   `json:"id"`
	Since       string  `json:"since"`
	Until       string  `json:"until"` // failures before this time
	Category    string  `json:"category"`
	Domain      string  `json:"domain"`
	Reason      string  `json:"reason"`
	Note        string  `json:"note"`
	ReleasedAt  string  `json:"released_at"`
	WithdrawnAt *string `json:"withdrawn_at"` // nil while it is in force
}

// Covers reports whether a release applies to a failure, given by its stored
// stamp, category and reason, of an address in the domain.
func (r *Release) Covers(domain, at string, c bounce.Category, reason bounce.Reason) bool {
	return at >= r.Since && at < r.Until &&
		(r.Domain == "" || r.Domain == domain) &&
		(r.Category == "" || r.Category == string(c)) &&
		(r.Reason == "" || r.Reason == string(reason))
}
