package recipient

import "cmp"

// ManySent replaces the number of deliveries if it is not known by slot. Refusals are
// never a crowd then.
const ManySent = 1 << 30

// maxCachedSlots is how many slots of domains are kept (8 MB). A large server sends to
// tens of thousands of domains in nearly every slot of a week.
const maxCachedSlots = 500_000

// CachedTraffic is StoredTraffic that reads answers by functions, and keeps them.
type CachedTraffic struct {
	// ReadDomain adds the deliveries to a domain.
	ReadDomain func(domain string, sent *Sends) error
	// ReadDomains adds the deliveries to several domains. nil if it would not be faster than
	// ReadDomain for those that are needed.
	ReadDomains func(domains []string, sent func(domain string) *Sends) error
	// ReadAll adds the deliveries to all domains, and the number of domains.
	ReadAll func(sent, domains *Sends) error

	byDomain          map[string]*Sends
	slots             int    // of the domains that ReadDomain has added
	sent, sentDomains *Sends // to all domains
	err               error  // the first one
}

// Domain returns the deliveries to a domain.
func (t *CachedTraffic) Domain(domain string) *Sends {
	if s := t.byDomain[domain]; s != nil {
		return s
	}
	if t.byDomain == nil || t.slots > maxCachedSlots {
		t.byDomain, t.slots = make(map[string]*Sends), 0
	}
	s := &Sends{}
	t.byDomain[domain] = s
	t.keep(t.ReadDomain(domain, s))
	t.slots += len(s.slots)
	return s
}

// Load reads the deliveries to domains that may be asked for, if that is faster.
func (t *CachedTraffic) Load(domainsOf func() []string) {
	if t.ReadDomains == nil {
		return
	}
	domains := domainsOf()
	if len(domains) == 0 {
		return
	}
	if t.byDomain == nil {
		t.byDomain = make(map[string]*Sends)
	}
	for _, domain := range domains {
		t.byDomain[domain] = &Sends{}
	}
	t.keep(t.ReadDomains(domains, func(domain string) *Sends { return t.byDomain[domain] }))
}

// All returns the deliveries to all domains, and the number of domains.
func (t *CachedTraffic) All() (sent, domains *Sends) {
	if t.sent == nil {
		t.sent, t.sentDomains = &Sends{}, &Sends{}
		t.keep(t.ReadAll(t.sent, t.sentDomains))
	}
	return t.sent, t.sentDomains
}

func (t *CachedTraffic) keep(err error) { t.err = cmp.Or(t.err, err) }

// Err returns the first error.
func (t *CachedTraffic) Err() error { return t.err }
