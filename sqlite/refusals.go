package sqlite

import (
	"cmp"
	"database/sql/driver"
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// refusalCache holds the refusals of a stretch of time, so that a daemon does not
// load the last two days with every commit. Only the store writes refusals, so it is
// valid until some are deleted or judged again, or a transaction is rolled back.
type refusalCache struct {
	from, to int64               // Unix milliseconds; empty if to is 0
	all      []recipient.Refusal // sorted by time
	byUnit   map[recipient.Unit][]recipient.Refusal
	added    *Tx // the transaction whose refusals are in all
}

// maxCached is the number of refusals from which on those are dropped that are
// older than needed.
const maxCached = 20_000

// noteRefusal notes a new failure that suppresses.
func (tx *Tx) noteRefusal(r *bounce.Record, key int64) {
	if !r.Suppress {
		return
	}
	reply := ""
	if r.Reason == bounce.NoSuchDomain {
		reply = r.Reply.Text
	}
	tx.refusals = append(tx.refusals, newRefusal(r.At.UnixMilli(), key, strings.Clone(r.To.Domain), strings.Clone(r.Provider), strings.Clone(r.Reply.RelayHost), strings.Clone(r.Reply.RelayIP), r.Reason, reply))
}

func newRefusal(at, key int64, domain, provider, relay, ip string, reason bounce.Reason, reply string) recipient.Refusal {
	r := recipient.Refusal{At: at, Key: key, Domain: domain, Provider: provider, Relay: recipient.RelayUnit(relay, ip, domain), Lookup: reason == bounce.NoSuchDomain}
	if r.Lookup {
		r.Host = strings.Clone(recipient.NamedHost(reply, domain))
	}
	return r
}

// refusalColumns are what newRefusal needs. The reply is NULL unless a host was not
// found, because it alone is not in the index bounces_refused.
const refusalColumns = `occurred_at, recipient_key, domain, provider, relay_host, relay_ip, reason,
	CASE WHEN reason = 'no-such-domain' THEN reply END`

func readRefusal(values []driver.Value) recipient.Refusal {
	text := func(i int) string {
		s, _ := values[i].(string)
		return s
	}
	key, _ := values[1].(int64)
	return newRefusal(bounce.ParseStamp(text(0)).UnixMilli(), key, text(2), text(3), text(4), text(5), bounce.Reason(text(6)), text(7))
}

func stampOf(ms int64) string { return bounce.Stamp(time.UnixMilli(ms)) }

// loadRefusals loads the refusals between two times, both included, sorted.
func (tx *Tx) loadRefusals(from, to int64) (all []recipient.Refusal, err error) {
	err = tx.each(1, "SELECT "+refusalColumns+" FROM bounces WHERE suppress = 1 AND occurred_at BETWEEN ? AND ? ORDER BY occurred_at",
		func(_ int, p *params) {
			p.Add(stampOf(from))
			p.Add(stampOf(to))
		},
		func(_ int, values []driver.Value) error {
			all = append(all, readRefusal(values))
			return nil
		})
	return all, err
}

// refusalsOf loads all refusals of addresses.
func (tx *Tx) refusalsOf(keys []int64) (all []recipient.Refusal, err error) {
	err = tx.each(len(keys), "SELECT "+refusalColumns+" FROM bounces WHERE recipient_key = ? AND suppress = 1",
		func(i int, p *params) { p.Add(keys[i]) },
		func(_ int, values []driver.Value) error {
			all = append(all, readRefusal(values))
			return nil
		})
	return all, err
}

// refusalsBetween returns the refusals between two times, sorted, those of the
// transaction included. They are valid until the next call.
func (tx *Tx) refusalsBetween(from, to int64) ([]recipient.Refusal, error) {
	c := &tx.store.refusals
	if c.to == 0 || from < c.from || to > c.to {
		all, err := tx.loadRefusals(from, to)
		if err != nil {
			return nil, err
		}
		*c = refusalCache{from: from, to: to, all: all, added: tx}
		var later bool
		if err := tx.conn.QueryRowContext(tx.ctx, "SELECT EXISTS (SELECT 1 FROM bounces WHERE suppress = 1 AND occurred_at > ?)", stampOf(to)).Scan(&later); err != nil {
			return nil, err
		}
		if !later {
			c.to = math.MaxInt64
		}
	}
	c.add(tx)
	if first := indexOf(c.all, from); first > maxCached {
		c.all, c.from = slices.Clone(c.all[first:]), from
		c.byUnit = nil
	}
	return between(c.all, from, to), nil
}

// unitRefusals returns the refusals of a unit between two times that refusalsBetween
// has loaded.
func (c *refusalCache) unitRefusals(u recipient.Unit, from, to int64) []recipient.Refusal {
	if c.byUnit == nil {
		c.byUnit = make(map[recipient.Unit][]recipient.Refusal)
		for i := range c.all {
			c.index(&c.all[i])
		}
	}
	return between(c.byUnit[u], from, to)
}

func (c *refusalCache) index(r *recipient.Refusal) {
	for _, u := range r.Units() {
		c.byUnit[u] = append(c.byUnit[u], *r)
	}
}

func between(sorted []recipient.Refusal, from, to int64) []recipient.Refusal {
	end := len(sorted)
	if to < math.MaxInt64 {
		end = indexOf(sorted, to+1)
	}
	return sorted[indexOf(sorted, from):end]
}

// indexOf returns the index of the first refusal that is not before a time.
func indexOf(sorted []recipient.Refusal, at int64) int {
	return sort.Search(len(sorted), func(i int) bool { return sorted[i].At >= at })
}

// add adds the refusals of a transaction, if they are not loaded with the others.
func (c *refusalCache) add(tx *Tx) {
	if c.added == tx {
		return
	}
	c.added = tx
	sorted := true
	for _, r := range tx.refusals {
		if c.from <= r.At && r.At <= c.to {
			sorted = sorted && (len(c.all) == 0 || c.all[len(c.all)-1].At <= r.At)
			c.all = append(c.all, r)
			if sorted && c.byUnit != nil {
				c.index(&r)
			}
		}
	}
	if !sorted {
		c.byUnit = nil
		slices.SortStableFunc(c.all, func(a, b recipient.Refusal) int { return cmp.Compare(a.At, b.At) })
	}
}

// evidence answers which refusals are evidence of an outage.
type evidence struct {
	tx        *Tx
	addresses map[int64]addressTimes // of the store
	accepted  map[string]bool        // domains that ever accepted mail
	err       error
}

// addressTimes are the last delivery to an address and its first refusal after
// that, in Unix milliseconds; 0 is never.
type addressTimes struct{ delivered, refused int64 }

func (tx *Tx) newEvidence() *evidence {
	if s := tx.store; s.addresses == nil || len(s.addresses) > maxAddresses {
		s.addresses = make(map[int64]addressTimes)
	}
	return &evidence{tx: tx, addresses: tx.store.addresses, accepted: make(map[string]bool)}
}

// maxAddresses bounds the addresses that are remembered.
const maxAddresses = 200_000

// usualRefusals are the refusals of a domain in a time before a crowd, with their
// evidence.
type usualRefusals struct {
	from, to int64
	refusals []recipient.Refusal
}

// mark sets Refusal.Evidence.
func (e *evidence) mark(refusals []recipient.Refusal) {
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
			r.Evidence = e.accepted[r.Domain] && recipient.Fresh(r.At, max(t.delivered, 1), t.refused)
		} else {
			r.Evidence = recipient.Fresh(r.At, t.delivered, t.refused)
		}
	}
}

// load looks up the addresses and domains that are not known yet.
func (e *evidence) load(refusals []recipient.Refusal) error {
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
	delivered, err := e.tx.deliveredAt(keys)
	if err != nil {
		return err
	}
	for key, at := range delivered {
		e.addresses[key] = addressTimes{delivered: at}
	}
	err = e.tx.each(len(keys), "SELECT occurred_at FROM bounces WHERE recipient_key = ? AND suppress = 1",
		func(i int, p *params) { p.Add(keys[i]) },
		func(i int, values []driver.Value) error {
			stamp, _ := values[0].(string)
			at, t := bounce.ParseStamp(stamp).UnixMilli(), e.addresses[keys[i]]
			if at > t.delivered && (t.refused == 0 || at < t.refused) {
				t.refused = at
				e.addresses[keys[i]] = t
			}
			return nil
		})
	if err != nil {
		return err
	}
	return e.tx.each(len(domains), "SELECT 1 FROM daily_counts WHERE domain = ? AND sent > 0 LIMIT 1",
		func(i int, p *params) { p.Add(domains[i]) },
		func(i int, _ []driver.Value) error {
			e.accepted[domains[i]] = true
			return nil
		})
}

// deliveredAt returns the last delivery to those addresses that have one, in Unix
// milliseconds.
func (tx *Tx) deliveredAt(keys []int64) (map[int64]int64, error) {
	at := make(map[int64]int64)
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, func(a, b int64) int { return cmp.Compare(uint64(a), uint64(b)) })
	buckets := bucketsOfKeys(keys)
	return at, tx.each(len(buckets), "SELECT entries FROM deliveries WHERE bucket = ?",
		func(i int, p *params) { p.Add(buckets[i]) },
		func(i int, values []driver.Value) error {
			entries, _ := values[0].([]byte)
			first := sort.Search(len(sorted), func(n int) bool { return int64(uint64(sorted[n])>>bucketShift) >= buckets[i] })
			for _, key := range sorted[first:] {
				if int64(uint64(key)>>bucketShift) != buckets[i] {
					break
				}
				n := sort.Search(len(entries)/deliverySize, func(n int) bool {
					return binary.BigEndian.Uint64(entries[n*deliverySize:]) >= uint64(key)
				})
				if n*deliverySize < len(entries) {
					if found, last := entry(entries[n*deliverySize:]); found == uint64(key) && last>>1 > 0 {
						at[key] = last >> 1
					}
				}
			}
			return nil
		})
}

// forgetRefusals empties the caches: records were deleted or changed.
func (s *Store) forgetRefusals() {
	s.refusals, s.addresses, s.usual, s.lookups = refusalCache{}, nil, nil, nil
}
