package sqlite

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/counters"
	"github.com/bouncetail/bouncetail/tally"
)

// nameDomains finds the domains that have separate windows on the days of a batch.
// It must be called before the batch is added, because nothing else can be asked
// meanwhile.
func (tx *Tx) nameDomains(b *bounce.Batch) error {
	named := tx.store.named
	named.Trim()
	for _, day := range tally.DaysOf(b) {
		if _, known := named[day]; known {
			continue
		}
		largest, err := tx.largestDomains(day - 1)
		if err != nil {
			return err
		}
		named[day] = largest
	}
	return nil
}

// largestDomains returns the domains with most attempts on a day, stored and in this
// transaction.
func (tx *Tx) largestDomains(day int) (map[string]string, error) {
	attempts := make(map[string]int)
	for k, o := range tx.counts {
		if k.day == day {
			attempts[k.domain] = o.sent + o.deferred + o.bounced + o.expired
		}
	}
	if err := counters.AddBusiest(tx.ctx, tx.conn, day, attempts); err != nil {
		return nil, err
	}
	return tally.Largest(attempts), nil
}
