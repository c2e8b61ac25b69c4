package fleet

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// crowdRecords is recipient.CrowdRecords in a transaction. Times are in Unix
// milliseconds.
type crowdRecords struct {
	*transaction
	// delivered are the last deliveries of the transaction, which are not stored yet.
	delivered map[int64]string
}

const selectRefusals = `
	SELECT recipient_key, occurred_at, domain, provider, relay, host, lookup
	FROM bouncetail.refusals
	WHERE `

// each calls do for every refusal that a condition selects.
func (r crowdRecords) each(do func(*recipient.Refusal), where string, args ...any) error {
	return r.send(refusalsWhere(do, where, args...))
}

// refusalsWhere returns the statement of each.
func refusalsWhere(do func(*recipient.Refusal), where string, args ...any) statement {
	return newStatement(selectRefusals+where, args...).scan(func(f *fields) error {
		one := recipient.Refusal{Key: f.number()}
		one.At, _ = f.ms()
		one.Domain, one.Provider, one.Relay, one.Host, one.Lookup = f.text(), f.text(), f.text(), f.text(), f.bool()
		do(&one)
		return nil
	})
}

func (r crowdRecords) all(where string, args ...any) (list []recipient.Refusal, err error) {
	err = r.each(func(one *recipient.Refusal) { list = append(list, *one) }, where, args...)
	return list, err
}

// at is a time as a parameter.
func at(ms int64) []byte { return appendTime(nil, ms) }

// Refusals calls each for every refusal between two times, both included, in the order
// of time.
func (r crowdRecords) Refusals(from, to int64, each func(*recipient.Refusal)) error {
	return r.each(each, "occurred_at BETWEEN $1 AND $2 ORDER BY occurred_at", at(from), at(to))
}

// AllRefusals calls each for every refusal between two times, both included.
func (r crowdRecords) AllRefusals(from, to int64, each func(*recipient.Refusal)) error {
	return r.Refusals(from, to, each)
}

// RefusalCounts returns the number of refusals between two times by slot.
func (r crowdRecords) RefusalCounts(from, to int64) (*recipient.Sends, error) {
	counts := &recipient.Sends{}
	return counts, r.send(newStatement(`
		SELECT date_bin('10 minutes', occurred_at, '1970-01-01 00:00+00') AS slot, count(*)
		FROM bouncetail.refusals
		WHERE occurred_at BETWEEN $1 AND $2
		GROUP BY slot
		ORDER BY slot`, at(from), at(to)).scan(func(f *fields) error {
		slot, _ := f.ms()
		counts.Add(recipient.SlotOf(slot), int(f.number()))
		return nil
	}))
}

// DomainRefusals returns the refusals of addresses in a domain between two times,
// sorted, without lookups.
func (r crowdRecords) DomainRefusals(domain string, from, to int64) ([]recipient.Refusal, error) {
	return r.all("occurred_at BETWEEN $1 AND $2 AND domain = $3 AND NOT lookup ORDER BY occurred_at", at(from), at(to), domain)
}

// Lookups returns the refusals of domains that were not found in the DNS, of all times.
func (r crowdRecords) Lookups(domains []string) ([]recipient.Refusal, error) {
	return r.all("lookup AND domain = ANY ($1) ORDER BY occurred_at", textArray(domains))
}

// RefusedAfter reports whether there is a refusal after a time.
func (r crowdRecords) RefusedAfter(ms int64) (later bool, err error) {
	const query = "SELECT EXISTS (SELECT 1 FROM bouncetail.refusals WHERE occurred_at > $1)"
	err = r.send(newStatement(query, at(ms)).scan(func(f *fields) error {
		later = f.bool()
		return nil
	}))
	return later, err
}

// RefusalsOf returns all refusals of addresses.
func (r crowdRecords) RefusalsOf(keys []int64) ([]recipient.Refusal, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return r.all("recipient_key = ANY ($1)", keyArray(keys))
}

// RefusedAt calls each for every refusal of addresses.
func (r crowdRecords) RefusedAt(keys []int64, each func(key, at int64)) error {
	if len(keys) == 0 {
		return nil
	}
	return r.each(func(one *recipient.Refusal) { each(one.Key, one.At) }, "recipient_key = ANY ($1)", keyArray(keys))
}

// LastDeliveries returns the last delivery to those addresses that have one.
func (r crowdRecords) LastDeliveries(keys []int64) (map[int64]int64, error) {
	last := make(map[int64]int64, len(keys))
	if len(keys) == 0 {
		return last, nil
	}
	err := r.send(newStatement(`
		SELECT recipient_key, last_delivery_at
		FROM bouncetail.recipients
		WHERE recipient_key = ANY ($1) AND last_delivery_at IS NOT NULL`, keyArray(keys)).scan(func(f *fields) error {
		key := f.number()
		last[key], _ = f.ms()
		return nil
	}))
	for _, key := range keys {
		if now := msOf(r.delivered[key]); now > last[key] {
			last[key] = now
		}
	}
	return last, err
}

// msOf returns the time of a stored stamp; 0 if it is empty.
func msOf(stamp string) int64 {
	if stamp == "" {
		return 0
	}
	return bounce.ParseStamp(stamp).UnixMilli()
}

// Accepted calls each for those of the domains that ever accepted mail.
func (r crowdRecords) Accepted(domains []string, each func(domain string)) error {
	days, err := r.AcceptedDays(domains)
	for _, domain := range domains {
		if days[domain] > 0 {
			each(domain)
		}
	}
	return err
}

// AcceptedDays returns on how many days each of the domains accepted mail.
func (r crowdRecords) AcceptedDays(domains []string) (map[string]int, error) {
	if len(domains) == 0 {
		return nil, nil
	}
	return mapOf[string, int](r.ctx, r, `
		SELECT domain, count(DISTINCT day)
		FROM bouncetail.daily_counts
		WHERE domain = ANY ($1) AND sent > 0
		GROUP BY domain`, domains)
}

// NotFound returns the domains that were ever not found in the DNS.
func (r crowdRecords) NotFound() (map[string]bool, error) {
	return mapOf[string, bool](r.ctx, r, "SELECT DISTINCT domain, lookup FROM bouncetail.refusals WHERE lookup")
}

// Horizon returns the stamp before which records were deleted for their age.
func (r crowdRecords) Horizon() (string, error) { return r.horizon, nil }
