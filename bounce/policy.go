package bounce

// Policy sets when repeated failures make an address bad although no single one
// does, and for how long an address stays bad. The zero policy counts no failures
// and keeps an address bad for ever after a failure with Suppress.
type Policy struct {
	General Threshold `json:"general"`
	// Categories take precedence over General.
	Categories map[Category]Threshold `json:"categories"`
	// Crowds sets when refused addresses are considered an outage.
	Crowds CrowdLimits `json:"crowds,omitzero"`
}

// CrowdLimits sets when addresses that accepted mail and are then refused together
// are a crowd. Addresses in a crowd become suspect and not bad.
type CrowdLimits struct {
	// Addresses is the minimum number of addresses; 0 disables crowds.
	Addresses int `json:"addresses"`
	// Domains is the minimum number of domains that are not found in the DNS at the
	// same time, or that share a provider or a relay.
	Domains int `json:"domains"`
	// Share is the minimum percentage of the attempts in that time. The minimum number
	// of addresses must be 60 percent of the attempts; more addresses need less.
	Share int `json:"share"`
	// Usual is the minimum ratio to the domain's usual share of refusals.
	Usual int `json:"usual"`
}

// Threshold is the policy for one category. Days are those of UTC.
type Threshold struct {
	// Failures is the number of failures of the category that makes an address bad.
	// 0 means never.
	Failures int `json:"failures"`
	// Days is the minimum time between the first and the last of them.
	Days int `json:"days"`
	// Window is the number of days over which failures are counted.
	Window int `json:"window"`
	// BadDays is how long an address stays bad after the last failure counted, if
	// counting made it bad. 0 means for ever.
	BadDays int `json:"bad_days"`
	// SuppressDays is the same for an address that a failure with Suppress made bad.
	SuppressDays int `json:"suppress_days"`
}

// For returns the threshold of a category.
func (p *Policy) For(c Category) Threshold {
	if t, own := p.Categories[c]; own {
		return t
	}
	return p.General
}

// Counts reports whether the policy counts a failure: its scope is the recipient,
// or the message expired and no reply names a scope. Problems of the domain, of the
// network and of our own server never count.
func (v *Verdict) Counts(o Outcome) bool {
	return !v.Suppress && (v.Scope == ScopeRecipient || o == Expired && v.Category == Unclassified)
}

// Decider is what decided the state of a recipient.
type Decider string

// The deciders, as they are stored.
const (
	ByFailure  Decider = "failure"  // the last failure, or one with Suppress
	ByPolicy   Decider = "policy"   // a number of failures within the policy's window
	ByCrowd    Decider = "crowd"    // its failures are in a crowd, which may be an outage
	ByDelivery Decider = "delivery" // a delivery after the last failure
	ByRelease  Decider = "release"  // its failures since the last delivery were released by hand
	ByTime     Decider = "time"     // it was bad until its time was over
	ByHand     Decider = "manual"   // it was allowed or blocked by hand, or that was undone
)
