package recipient

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/bouncetail/bouncetail/bounce"
)

// A crowd is many addresses that accepted mail and are refused together, as if
// all of them had been deleted in the same hour. That is an outage far more often
// than it is true: on 14 December 2020 Google answered "550-5.1.1 The email
// account that you tried to reach does not exist" to living addresses for hours.
// A refusal in a crowd makes an address suspect and not bad.
//
// Crowds are a function of the stored failures, the last delivery of each address
// and the deliveries counted by domain and time. They do not depend on the order
// in which logs are read. Search finds them; Suspicion says what they make of an
// address.

// Refusal is a failure that by itself makes an address bad.
type Refusal struct {
	At       int64 // Unix milliseconds
	Key      int64 // of the address, see bounce.Address.Key
	Domain   string
	Provider string // slug; empty if not known
	Relay    string // RelayUnit of the server that answered
	Host     string // another name than Domain that could not be found; only if Lookup
	Lookup   bool   // the reason is no-such-domain: the domain was not found in the DNS
	// Evidence is set if the address accepted mail before or after, and was not
	// given up long ago. For a Lookup, the same holds for the domain.
	// See Fresh.
	Evidence bool
	// Age is how long before the refusal the address accepted mail, in milliseconds, and
	// negative if it did so after it. The less it is, the fewer addresses have ceased to
	// exist since, see tier.
	Age int64
	// Stale is set if the address accepted mail, and was given up too long ago for
	// Evidence, but not longer than staleFor: evidence if nearly everything is refused.
	Stale bool
}

// mark sets Evidence, Stale and Age. The address accepted mail at lastAccepted, and was
// refused for the first time since then at firstRefusal, as for Fresh.
func (r *Refusal) mark(lastAccepted, firstRefusal int64) {
	r.Evidence = Fresh(r.At, lastAccepted, firstRefusal)
	r.Age = r.At - lastAccepted
	r.Stale = !r.Evidence && lastAccepted != 0 && r.At-firstRefusal < staleFor.Milliseconds()
}

// NewRefusal returns the refusal that a failure is, by the server that answered and by
// the reply.
func NewRefusal(at, key int64, domain, provider, relay, ip string, reason bounce.Reason, reply string) Refusal {
	r := Refusal{At: at, Key: key, Domain: domain, Provider: provider, Relay: RelayUnit(relay, ip, domain), Lookup: reason == bounce.NoSuchDomain}
	if r.Lookup {
		r.Host = strings.Clone(NamedHost(reply, domain))
	}
	return r
}

// UnitKind says what the refusals of a crowd have in common.
type UnitKind string

// The kinds of units, as they are stored.
const (
	UnitDomain   UnitKind = "domain"   // the domain of the recipients
	UnitProvider UnitKind = "provider" // the provider, with several domains
	UnitRelay    UnitKind = "relay"    // the servers that answer, with several domains
	UnitHost     UnitKind = "host"     // the host that was not found, for several domains
	UnitDNS      UnitKind = "dns"      // several domains not found at the same time
)

// Unit is what the refusals of a crowd have in common.
type Unit struct {
	Kind UnitKind
	Name string // empty for UnitDNS
}

// Compare orders units.
func (u Unit) Compare(v Unit) int {
	return cmp.Or(cmp.Compare(u.Kind, v.Kind), cmp.Compare(u.Name, v.Name))
}

// Units returns the units in which a refusal may be part of a crowd.
func (r *Refusal) Units() []Unit {
	if r.Lookup {
		units := []Unit{{Kind: UnitDNS}}
		if r.Host != "" {
			units = append(units, Unit{UnitHost, r.Host})
		}
		return units
	}
	switch {
	case r.Provider != "":
		return []Unit{{UnitDomain, r.Domain}, {UnitProvider, r.Provider}}
	case r.Relay != "" && r.Relay != r.Domain:
		return []Unit{{UnitDomain, r.Domain}, {UnitRelay, r.Relay}}
	}
	return []Unit{{UnitDomain, r.Domain}}
}

// OwnServer is the relay unit of refusals that our own mail server words without
// asking another one, such as Exim's "Unrouteable address". Postfix logs local
// deliveries by the same name.
const OwnServer = "local"

// RelayUnit returns what the servers of one operator share: the name of the host
// that answered without its first label, such as hoster.example for
// mx1.hoster.example. A registered domain stands for itself, so hoster.co.uk is not
// co.uk. If the name belongs to the domain of the recipient, as in shared hosting, it is
// the IP address.
func RelayUnit(host, ip, domain string) string {
	if host == "" && ip == "" {
		return OwnServer
	}
	if host == "" || host == domain || strings.HasSuffix(host, "."+domain) {
		return ip
	}
	_, rest, ok := strings.Cut(host, ".")
	if !ok || strings.Trim(host, "0123456789.") == "" || strings.Contains(host, ":") {
		return host
	}
	if suffix, _ := publicsuffix.PublicSuffix(rest); suffix == rest {
		return host
	}
	return rest
}

// Crowd is a crowd as it is stored. Times are stored stamps.
type Crowd struct {
	ID   int64
	Unit Unit
	// Start is the first refusal and Last the last one. A refusal until End is
	// part of the crowd: an hour after Last, and at most 24 hours after Start.
	Start, Last, End string
	Addresses        int // that accepted mail and were refused; for UnitDNS and UnitHost: domains
	Refused          int // refusals of these, each address counted once in ten minutes
	Attempts         int // Refused, and the deliveries to the same unit in that time; 0 if not known
	// Domains are the domains of UnitProvider and UnitRelay that the crowd
	// includes: those with enough refusals of their own, see also includeUnreached.
	Domains []string
	// Frozen is set if records of its time were deleted: the crowd stays as it is.
	Frozen bool
}

// Includes reports whether a failure that suppresses is part of the crowd. The
// address must have accepted mail, unless a name was not found in the DNS, or nearly
// everything was refused.
func (c *Crowd) Includes(domain string, f *Failure, reached bool) bool {
	if f.At < c.Start || f.At > c.End {
		return false
	}
	lookup := f.Reason == bounce.NoSuchDomain
	answered := !lookup && (reached || c.total())
	switch c.Unit.Kind {
	case UnitDNS:
		return lookup
	case UnitHost:
		return lookup && f.Host == c.Unit.Name
	case UnitDomain:
		return answered && domain == c.Unit.Name
	case UnitProvider:
		return answered && f.Provider == c.Unit.Name && c.includesDomain(domain)
	case UnitRelay:
		return answered && f.Relay == c.Unit.Name && c.includesDomain(domain)
	}
	return false
}

// nearlyAll is the share of attempts from which on a refusal says nothing.
const nearlyAll = 0.9

// total reports whether nearly all attempts were refused, so that a refusal says
// nothing, of whatever address.
func (c *Crowd) total() bool {
	return c.Attempts > 0 && float64(c.Refused) >= nearlyAll*float64(c.Attempts)
}

// CrowdsOf returns the IDs of the crowds that have one of the refusals.
func CrowdsOf(crowds []Crowd, refusals []Refusal) (ids []int64) {
	for i := range crowds {
		c := &crowds[i]
		if slices.ContainsFunc(refusals, func(r Refusal) bool {
			at := stampOf(r.At)
			return c.Start <= at && at <= c.End && slices.Contains(r.Units(), c.Unit)
		}) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Spans reports whether the crowd includes refusals in a domain at a time, if they
// are of its unit.
func (c *Crowd) Spans(at, domain string) bool {
	if at < c.Start || at > c.End || c.End == "" {
		return false
	}
	return c.Unit.Kind != UnitProvider && c.Unit.Kind != UnitRelay || c.includesDomain(domain)
}

// Concerns reports whether refusals of a domain may be part of the crowd.
func (c *Crowd) Concerns(domain string) bool {
	switch c.Unit.Kind {
	case UnitDomain:
		return domain == c.Unit.Name
	case UnitProvider, UnitRelay, UnitDNS, UnitHost:
		return true // a domain that is not included may be so by further refusals
	}
	return false
}

// Equal reports whether two crowds are the same.
func (c *Crowd) Equal(d *Crowd) bool {
	return c.ID == d.ID && c.Unit == d.Unit && c.Start == d.Start && c.Last == d.Last && c.End == d.End &&
		c.Addresses == d.Addresses && c.Refused == d.Refused && c.Attempts == d.Attempts && c.Frozen == d.Frozen &&
		slices.Equal(c.Domains, d.Domains)
}

// Several reports whether the crowd has several domains, so that it is not one of them
// that has closed. A nil crowd has none.
func (c *Crowd) Several() bool { return c != nil && c.Unit.Kind != UnitDomain }

// outweighs reports whether a crowd decides, and not the other one. Which one ends last
// alone must not decide: a crowd may end at another time when more logs are read, and then
// only refusals between the two times are judged again.
func (c *Crowd) outweighs(d *Crowd) bool {
	if d == nil || c.Several() != d.Several() {
		return d == nil || c.Several()
	}
	return c.End > d.End
}

func (c *Crowd) includesDomain(domain string) bool {
	_, found := slices.BinarySearch(c.Domains, domain)
	return found
}

const (
	// graceTime is for how long after its last refusal a crowd goes on.
	graceTime = time.Hour
	// maxCrowd is the longest time of a crowd.
	maxCrowd = 24 * time.Hour
	// FreshFor is for how long an address that was given up is evidence of an
	// outage. One that has been refused for longer is dead, and fails again each
	// time it is written to.
	FreshFor = 72 * time.Hour
	// staleFor is how long an address that was given up can be evidence that nearly
	// everything is refused. A weekly mailing that meets a second outage is within it,
	// and the third one decides.
	staleFor = 10 * 24 * time.Hour
	// MaxSuspicion is how long an address can stay suspect because each of its
	// refusals is in a crowd. No outage lasts that long, and a crowd can be made
	// on purpose.
	MaxSuspicion = 14 * 24 * time.Hour
	// closedAfter is how long a domain must have accepted nothing before a further
	// refusal shows that it has closed. Until then the outage may go on, over a night
	// and on the next day.
	closedAfter = 36 * time.Hour
	// longestOutage is the time in which a domain must accept mail again. If it does,
	// it had not closed, and what it refused until then is part of the outage. If the
	// further refusal is in a crowd too, there is more time: until MaxSuspicion.
	longestOutage = FreshFor
)

// Fresh reports whether a refusal may be evidence of an outage. The address, or
// the domain of a Lookup, accepted mail at lastAccepted, and was refused for the
// first time since then at firstRefusal. All times are Unix milliseconds; 0 means
// never.
func Fresh(at, lastAccepted, firstRefusal int64) bool {
	switch {
	case lastAccepted == 0:
		return false
	case at <= lastAccepted: // it recovered
		return true
	}
	return firstRefusal == 0 || at-firstRefusal < FreshFor.Milliseconds()
}

// Suspicion is what refusals in crowds have made of an address since its last
// delivery. The zero value is none. Times are stored stamps.
type Suspicion struct {
	Since string // the first such refusal
	until string // the end of the last crowd; empty in a history that was stored
}

// Refuse adds the next refusal, in the order of time. The crowd is nil if the
// refusal is in none. It returns true if the address is bad now: the refusal is in
// no crowd, and either there was none before, or the domain has accepted mail since,
// or it has closed. accepted reports whether the domain accepted mail after a stamp
// and until another.
func (s *Suspicion) Refuse(at string, c *Crowd, accepted func(after, until string) bool) (bad bool) {
	switch {
	case s.Since == "" && c == nil:
		return true
	case s.Since == "":
		*s = Suspicion{Since: at, until: c.End}
		return false
	case at <= s.until:
		return false // the same outage
	}
	until, outage := at, longestOutage
	if c != nil {
		until, outage = addTo(at, graceTime), MaxSuspicion
	}
	suspect, recovered := elapsed(s.Since, at), accepted(s.Since, until)
	switch {
	case suspect >= MaxSuspicion, recovered && c == nil:
		return true
	case !recovered && suspect >= closedAfter && !c.Several() && !accepted(s.Since, addTo(s.Since, outage)):
		return true
	case c != nil:
		s.until = max(s.until, c.End)
	}
	return false
}

func addTo(stamp string, d time.Duration) string {
	return bounce.Stamp(bounce.ParseStamp(stamp).Add(d))
}

func elapsed(from, to string) time.Duration {
	return bounce.ParseStamp(to).Sub(bounce.ParseStamp(from))
}

// NamedHost returns the first host that a text names and that is not the domain,
// in lower case: empty if it names the domain, or no host.
func NamedHost(text, domain string) string {
	found := ""
	for _, word := range strings.FieldsFunc(text, func(c rune) bool {
		return c != '.' && c != '-' && c != '_' && c != '@' && (c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z') && c < 0x80
	}) {
		word = bounce.Lower(strings.Trim(word, ".-"))
		last := word[strings.LastIndexByte(word, '.')+1:]
		switch {
		case word == domain:
			return ""
		case found != "" || len(last) == len(word) || len(last) < 2 || strings.ContainsAny(last, "0123456789") && !strings.HasPrefix(last, "xn--") || strings.Contains(word, "@"):
			continue
		}
		found = word
	}
	return found
}
