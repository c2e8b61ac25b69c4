package recipient

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// CrowdRecords are the stored records that crowds follow from, those of the
// transaction included. Times are in Unix milliseconds.
type CrowdRecords interface {
	// Refusals calls each for the refusals between two times, both included, in the order
	// of time. It may leave out those of addresses that were not reached before the
	// transaction, unless they are lookups: they are no evidence.
	Refusals(from, to int64, each func(*Refusal)) error
	// AllRefusals calls each for every refusal between two times, in any order.
	AllRefusals(from, to int64, each func(*Refusal)) error
	// RefusalCounts returns the number of all refusals between two times by slot.
	RefusalCounts(from, to int64) (*Sends, error)
	// DomainRefusals returns the refusals of addresses in a domain between two times,
	// sorted, without lookups.
	DomainRefusals(domain string, from, to int64) ([]Refusal, error)
	// Lookups returns the refusals of domains that were not found in the DNS, of all
	// times.
	Lookups(domains []string) ([]Refusal, error)
	// RefusedAfter reports whether there is a refusal after a time.
	RefusedAfter(at int64) (bool, error)
	// RefusalsOf returns all refusals of addresses. Those of the transaction may be missing.
	RefusalsOf(keys []int64) ([]Refusal, error)
	// RefusedAt calls each for every refusal of addresses.
	RefusedAt(keys []int64, each func(key, at int64)) error
	// LastDeliveries returns the last delivery to those addresses that have one.
	LastDeliveries(keys []int64) (map[int64]int64, error)
	// Accepted calls each for those of the domains that ever accepted mail.
	Accepted(domains []string, each func(domain string)) error
	// AcceptedDays returns on how many days each of the domains accepted mail.
	AcceptedDays(domains []string) (map[string]int, error)
	// NotFound returns the domains that were ever not found in the DNS.
	NotFound() (map[string]bool, error)
	// Traffic returns the deliveries on the days from one time to another.
	Traffic(from, to int64) StoredTraffic
	// Horizon returns the stamp before which records were deleted for their age.
	// Crowds that began before are not found again.
	Horizon() (string, error)
}

// StoredTraffic is Traffic that is read when it is asked for.
type StoredTraffic interface {
	Traffic
	// Load prepares for questions about domains. It need not call the function.
	Load(domains func() []string)
	// Err returns the first error.
	Err() error
}

// CrowdNews is what a transaction adds.
type CrowdNews struct {
	Refusals []Refusal
	// LastRefusal is the last one before, in Unix milliseconds.
	LastRefusal int64
	NoneBefore  bool // no refusal was stored before
	// Reached lists the addresses that were reached or failed, and Of returns one.
	Reached iter.Seq[Reach]
	Of      func(key int64) Reach
	Sent    []SentDay // sorted by day and domain
}

// Reach is what is known of deliveries to an address. Times are in Unix milliseconds;
// 0 is never.
type Reach struct {
	Key        int64
	Failed     bool  // before
	Last       int64 // delivery
	LastBefore int64 // before the transaction
}

// SentDay is the number of new deliveries to a domain on a day.
type SentDay struct {
	Domain      string
	Sent        int
	First, Last Slot
	New         bool // the domain had no deliveries on that day before
}

// CrowdFinder keeps crowds up to date with the records.
type CrowdFinder struct {
	Records CrowdRecords
	Memory  *CrowdMemory
	Limits  bounce.CrowdLimits
	Crowds  []Crowd // that are stored
	News    CrowdNews

	older []Refusal // see newEvidenceOf
}

// CrowdChanges is what becomes of the stored crowds.
type CrowdChanges struct {
	Save   []Crowd // with the ID of the one that each replaces, or 0
	Delete []int64
	// Affected are the addresses whose state may change. An address may be there
	// several times.
	Affected []int64
}

const (
	hourMS = int64(time.Hour / time.Millisecond)
	// crowdReach is how far away from a refusal crowds may change.
	crowdReach = 75 * hourMS
	// accountTime is for how long a delivery decides whether a second crowd makes
	// addresses bad, see Suspicion.
	accountTime = int64(MaxSuspicion / time.Millisecond)
)

// touched is what may have changed: the crowds of some units, near some times.
type touched struct {
	memory   *CrowdMemory
	units    map[Unit]bool
	from, to int64 // Unix milliseconds
}

func (t *touched) refusal(r *Refusal) {
	for _, u := range r.Units() {
		t.unit(u, r.At, r.At)
	}
}

func (t *touched) unit(u Unit, from, to int64) {
	t.units[u] = true
	if u.Kind == UnitDomain && from < t.memory.usual[u.Name].to {
		delete(t.memory.usual, u.Name)
	}
	t.from, t.to = min(t.from, from), max(t.to, to)
}

// Update returns what the news change.
func (f *CrowdFinder) Update() (*CrowdChanges, error) {
	changes := &CrowdChanges{}
	var err error
	if f.older, err = f.newEvidenceOf(); err != nil {
		return nil, err
	}
	f.addToMemory() // also if no crowd is searched for now
	t := touched{memory: f.Memory, units: make(map[Unit]bool), from: math.MaxInt64, to: math.MinInt64}
	for r := range f.News.Reached {
		delete(f.Memory.addresses, r.Key)
	}
	total := f.totalRelays()
	for i := range f.News.Refusals {
		r := &f.News.Refusals[i]
		if r.Lookup || f.News.Of(r.Key).Last > 0 || inAny(total, r) {
			t.refusal(r)
		}
	}
	for i := range f.older {
		t.refusal(&f.older[i])
	}
	f.touchUsual(&t)
	if changes.Affected, err = f.touchByTraffic(&t); err != nil {
		return nil, err
	}
	crowds := f.Crowds
	if len(t.units) > 0 {
		if crowds, err = f.search(&t, changes); err != nil {
			return nil, err
		}
	}
	// Histories are extended without the provider and the relay of new failures.
	for i := range f.News.Refusals {
		if r := &f.News.Refusals[i]; inAny(crowds, r) {
			changes.Affected = append(changes.Affected, r.Key)
		}
	}
	return changes, nil
}

// totalRelays returns the crowds of servers that refuse nearly everything, see
// Search.includeUnreached.
func (f *CrowdFinder) totalRelays() []Crowd {
	return slices.DeleteFunc(slices.Clone(f.Crowds), func(c Crowd) bool { return c.Unit.Kind != UnitRelay || !c.total() })
}

// inAny reports whether a refusal is at the time and in the unit of a crowd.
func inAny(crowds []Crowd, r *Refusal) bool {
	if len(crowds) == 0 {
		return false
	}
	at := stampOf(r.At)
	for _, u := range r.Units() {
		if slices.ContainsFunc(crowds, func(c Crowd) bool { return c.Unit == u && c.Start <= at && at <= c.End }) {
			return true
		}
	}
	return false
}

// newEvidenceOf returns the refusals of earlier transactions that may be evidence
// by the new deliveries: of addresses that were never reached before, or not for
// long, or that were reached before a refusal that is stored already.
func (f *CrowdFinder) newEvidenceOf() ([]Refusal, error) {
	fresh := FreshFor.Milliseconds()
	var keys []int64
	for r := range f.News.Reached {
		if r.Failed && r.Last > r.LastBefore &&
			(r.LastBefore == 0 || r.Last-r.LastBefore > fresh || r.Last < f.News.LastRefusal) {
			keys = append(keys, r.Key)
		}
	}
	// A refusal that is older than others of the same address makes those stale.
	for i := range f.News.Refusals {
		if r := &f.News.Refusals[i]; r.At < f.News.LastRefusal-fresh && f.News.Of(r.Key).Failed {
			keys = append(keys, r.Key)
		}
	}
	slices.Sort(keys)
	older, err := f.Records.RefusalsOf(slices.Compact(keys))
	if err != nil {
		return nil, err
	}
	return f.appendLookups(older)
}

// appendLookups appends the refusals of domains that were not found, if the domain
// accepts mail for the first time.
func (f *CrowdFinder) appendLookups(older []Refusal) ([]Refusal, error) {
	notFound, err := f.notFound()
	if err != nil {
		return nil, err
	}
	newDays := make(map[string]int)
	for _, d := range f.News.Sent {
		if d.New && notFound[d.Domain] {
			newDays[d.Domain]++
		}
	}
	if len(newDays) == 0 {
		return older, nil
	}
	days, err := f.Records.AcceptedDays(sortedKeys(newDays))
	if err != nil {
		return nil, err
	}
	first := slices.DeleteFunc(sortedKeys(newDays), func(domain string) bool { return days[domain] != newDays[domain] })
	if len(first) == 0 {
		return older, nil
	}
	lookups, err := f.Records.Lookups(first)
	return append(older, lookups...), err
}

// notFound returns the domains that were ever not found.
func (f *CrowdFinder) notFound() (map[string]bool, error) {
	if f.Memory.lookups == nil {
		domains, err := f.Records.NotFound()
		if err != nil {
			return nil, err
		}
		f.Memory.lookups = domains
	}
	for i := range f.News.Refusals {
		if r := &f.News.Refusals[i]; r.Lookup {
			f.Memory.lookups[r.Domain] = true
		}
	}
	return f.Memory.lookups, nil
}

// touchUsual touches the domains whose usual share of refusals has changed, because
// the log that is read is older than some of the refusals that are stored. Refusals of
// addresses that were never reached are no evidence of anything.
func (f *CrowdFinder) touchUsual(t *touched) {
	usual := UsualTime.Milliseconds()
	touch := func(domain string, at int64) {
		if at < f.News.LastRefusal {
			t.unit(Unit{Kind: UnitDomain, Name: domain}, at, min(at+usual, f.News.LastRefusal))
		}
	}
	for i := range f.News.Refusals {
		if r := &f.News.Refusals[i]; !r.Lookup && f.News.Of(r.Key).Last > 0 {
			touch(r.Domain, r.At)
		}
	}
	for _, d := range f.News.Sent {
		touch(d.Domain, d.First.Start())
	}
}

// touchByTraffic touches the crowds in whose time there are new deliveries, and
// returns the addresses that were refused in a crowd before the first delivery that
// their domain accepted since.
func (f *CrowdFinder) touchByTraffic(t *touched) (affected []int64, err error) {
	for i := range f.Crowds {
		c := &f.Crowds[i]
		start, end := msOf(c.Start), msOf(c.End)
		for k := range f.News.Sent {
			d := &f.News.Sent[k]
			from, to := d.First.Start(), (d.Last + 1).Start()
			if to < start-hourMS || from > end+accountTime+hourMS || !c.Concerns(d.Domain) {
				continue
			}
			if from <= max(end, msOf(c.Last)+hourMS) { // see Search.again
				t.unit(c.Unit, start, end)
			}
			if affected, err = f.appendFirst(affected, c, d); err != nil {
				return nil, err
			}
		}
	}
	return affected, nil
}

// appendFirst appends the addresses that a domain refused in a crowd, if new
// deliveries to the domain are the first since, see Suspicion.
func (f *CrowdFinder) appendFirst(keys []int64, c *Crowd, d *SentDay) ([]int64, error) {
	if includes, err := f.includes(c, d.Domain); !includes || err != nil {
		return keys, err
	}
	recovery := recoveryOf{c.ID, c.End, d.Domain}
	if at, known := f.Memory.recovered[recovery]; known && at < d.First {
		return keys, nil
	}
	start, end := msOf(c.Start), msOf(c.End)
	t := f.Records.Traffic(start, d.First.Start())
	sent := t.Domain(d.Domain)
	last := sent.before(d.First)
	if sent.Between(d.First, d.First) > d.Sent {
		last = d.First
	}
	if t.Err() != nil {
		return nil, t.Err()
	}
	if last > SlotOf(end) {
		if f.Memory.recovered == nil || len(f.Memory.recovered) >= maxRecovered {
			f.Memory.recovered = make(map[recoveryOf]Slot)
		}
		f.Memory.recovered[recovery] = last
		return keys, nil
	}
	// Deliveries count from the slot after a refusal.
	from, to := max(start, last.Start()), min(end, d.Last.Start()-1)
	if from > to {
		return keys, nil
	}
	err := f.Records.AllRefusals(from, to, func(r *Refusal) {
		if r.Domain == d.Domain {
			keys = append(keys, r.Key)
		}
	})
	return keys, err
}

// includes reports whether a crowd may include refusals of a domain.
func (f *CrowdFinder) includes(c *Crowd, domain string) (bool, error) {
	switch c.Unit.Kind {
	case UnitDNS, UnitHost:
		notFound, err := f.notFound()
		return notFound[domain], err
	case UnitProvider, UnitRelay:
		return c.includesDomain(domain), nil
	case UnitDomain:
	}
	return true, nil
}

func msOf(stamp string) int64 { return bounce.ParseStamp(stamp).UnixMilli() }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
