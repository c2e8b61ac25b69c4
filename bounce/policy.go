package bounce

// Policy says when failures that do not prove an address bad do so together,
// and for how long an address stays bad. The zero policy counts nothing, and
// keeps what a single failure proved bad for ever.
type Policy struct {
	General Threshold `json:"general"`
	// Categories go before General.
	Categories map[Category]Threshold `json:"categories"`
	// Crowds says when refused addresses are taken for an outage.
	Crowds CrowdLimits `json:"crowds,omitzero"`
}

// CrowdLimits says from when on addresses that accepted mail, and are refused
// together, are a crowd: they become suspect and not bad.
type CrowdLimits struct {
	// Addresses is the least number of addresses; 0 switches crowds off.
	Addresses int `json:"addresses"`
	// Domains is the least number of domains that are not found in the DNS
	// together, or that share a provider or a relay.
	Domains int `json:"domains"`
	// Share is the least percentage of the attempts in that time. The fewest
	// addresses must make up 60 percent; the more there are, the less.
	Share int `json:"share"`
	// Usual is how many times the usual share of refusals of a domain it must be.
	Usual int `json:"usual"`
}

// Threshold is the policy for one category. Days are those of UTC.
type Threshold struct {
	// Failures is how many failures of the category make an address bad; 0 is
	// never.
	Failures int `json:"failures"`
	// Days is how far the first and the last of them have to be apart.
	Days int `json:"days"`
	// Window is how many days back failures are counted.
	Window int `json:"window"`
	// BadDays is for how many days after the last failure that counts an
	// address stays bad that was made so by counting; 0 is for ever.
	BadDays int `json:"bad_days"`
	// SuppressDays is the same for an address that a single failure proved bad.
	SuppressDays int `json:"suppress_days"`
}

// For returns what holds for a category.
func (p *Policy) For(c Category) Threshold {
	if t, own := p.Categories[c]; own {
		return t
	}
	return p.General
}

// Counts reports whether a failure may be counted against an address: its
// reply is about the address, or it was given up on for its age and no reply
// said whose problem it was. What is the domain's, the network's or our own
// problem never counts.
func (v *Verdict) Counts(o Outcome) bool {
	return !v.Suppress && (v.Scope == ScopeRecipient || o == Expired && v.Category == Unclassified)
}

// Decider is what decided the state of a recipient.
type Decider string

// The deciders, as they are stored.
const (
	ByFailure  Decider = "failure"  // the last failure, or one that proves the address bad
	ByPolicy   Decider = "policy"   // so many failures over so many days
	ByCrowd    Decider = "crowd"    // its refusals are in a crowd, which may be an outage
	ByDelivery Decider = "delivery" // the address was reached after its last failure
	ByRelease  Decider = "release"  // its failures since the last delivery were released by hand
	ByTime     Decider = "time"     // it was bad, and its time is over
	ByHand     Decider = "manual"   // allowed or blocked by hand, or that was taken back
)
