package recipient

import "cmp"

// CrowdMemory holds what a CrowdFinder has read, so that a daemon does not load the
// last days with every transaction. Only the finder's transactions may add
// refusals. The memory must be set to its zero value if some are deleted or judged
// again, or if a transaction is rolled back. If others add some, see Add.
type CrowdMemory struct {
	refusals  refusalCache
	addresses map[int64]addressTimes
	usual     map[string]usualRefusals
	lookups   map[string]bool     // the domains that were ever not found; nil if not loaded
	recovered map[recoveryOf]Slot // when a domain accepted mail after the end of a crowd
}

// recoveryOf names a domain and a crowd with its end.
type recoveryOf struct {
	crowd       int64
	end, domain string
}

// maxRecovered bounds the recoveries that are remembered.
const maxRecovered = 50_000

// KnowsAddresses reports whether Add needs the addresses that were reached.
func (m *CrowdMemory) KnowsAddresses() bool { return len(m.addresses) > 0 }

// Add brings the memory up to date with refusals that others have stored, and with the
// addresses to which they may have stored deliveries.
func (m *CrowdMemory) Add(refusals []Refusal, reached []int64) {
	for _, key := range reached {
		delete(m.addresses, key)
	}
	for i := range refusals {
		r := &refusals[i]
		if t, known := m.addresses[r.Key]; known {
			m.addresses[r.Key] = t.add(r.At)
		}
	}
	m.usual = nil
	if m.refusals.to != 0 {
		m.refusals.insert(refusals)
	}
	if m.lookups == nil {
		return
	}
	for i := range refusals {
		if r := &refusals[i]; r.Lookup {
			m.lookups[r.Domain] = true
		}
	}
}

// addressTimes are the last delivery to an address and its first refusal after
// that, in Unix milliseconds; 0 is never.
type addressTimes struct{ delivered, refused int64 }

// add returns the times with one more refusal.
func (t addressTimes) add(refusal int64) addressTimes {
	if refusal > t.delivered && (t.refused == 0 || refusal < t.refused) {
		t.refused = refusal
	}
	return t
}

// usualRefusals are the refusals of a domain in a time before a crowd, with their
// evidence.
type usualRefusals struct {
	from, to int64
	refusals []Refusal
}

// maxAddresses bounds the addresses that are remembered.
const maxAddresses = 200_000

// evidence decides which refusals are evidence of an outage.
type evidence struct {
	records   CrowdRecords
	addresses map[int64]addressTimes // of the memory
	accepted  map[string]bool        // domains that ever accepted mail
	err       error
}

func (f *CrowdFinder) newEvidence() *evidence {
	if m := f.Memory; m.addresses == nil || len(m.addresses) > maxAddresses {
		m.addresses = make(map[int64]addressTimes)
	}
	return &evidence{records: f.Records, addresses: f.Memory.addresses, accepted: make(map[string]bool)}
}

// mark sets Evidence, Stale and Age of refusals.
func (e *evidence) mark(refusals []Refusal) {
	if err := e.load(refusals); err != nil {
		e.err = cmp.Or(e.err, err)
		return
	}
	for i := range refusals {
		r := &refusals[i]
		t := e.addresses[r.Key]
		if r.Lookup {
			// A domain that never accepted mail does not exist. One that did is
			// judged by each address, which may not have been reached itself.
			r.Evidence = e.accepted[r.Domain] && Fresh(r.At, max(t.delivered, 1), t.refused)
		} else {
			r.mark(t.delivered, t.refused)
		}
	}
}

// load looks up the addresses and domains that are not known yet.
func (e *evidence) load(refusals []Refusal) error {
	var keys []int64
	var domains []string
	for i := range refusals {
		r := &refusals[i]
		if _, known := e.addresses[r.Key]; !known {
			e.addresses[r.Key] = addressTimes{}
			keys = append(keys, r.Key)
		}
		if _, known := e.accepted[r.Domain]; r.Lookup && !known {
			e.accepted[r.Domain] = false
			domains = append(domains, r.Domain)
		}
	}
	delivered, err := e.records.LastDeliveries(keys)
	if err != nil {
		return err
	}
	for key, at := range delivered {
		e.addresses[key] = addressTimes{delivered: at}
	}
	err = e.records.RefusedAt(keys, func(key, at int64) {
		e.addresses[key] = e.addresses[key].add(at)
	})
	if err != nil {
		return err
	}
	return e.records.Accepted(domains, func(domain string) { e.accepted[domain] = true })
}
