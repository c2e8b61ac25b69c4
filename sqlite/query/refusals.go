package query

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// CrowdRecords reads the records that crowds follow from: recipient.CrowdRecords but for
// the last deliveries, by the prepared statements of a transaction.
type CrowdRecords struct {
	Ctx        context.Context //nolint:containedctx // of this one transaction
	Conn       *sql.Conn
	Statements *sqldb.Statements
	// Stale is set if the rows of recipients do not follow from the records yet.
	Stale bool
}

type params = sqldb.Params

func (r CrowdRecords) each(n int, query string, bind func(i int, p *params), found func(i int, values []driver.Value) error) error {
	return r.Statements.Each(r.Conn, n, query, bind, found)
}

// selectRefusals selects what readRefusal needs. The reply is NULL unless a host was
// not found, because it is the only column that is not in the index bounces_refused.
const selectRefusals = `
	SELECT occurred_at, recipient_key, domain, provider, relay_host, relay_ip, reason,
	    CASE WHEN reason = 'no-such-domain' THEN reply END
	FROM bounces
	WHERE suppress = 1 AND `

func readRefusal(values []driver.Value) recipient.Refusal {
	text := func(i int) string {
		s, _ := values[i].(string)
		return s
	}
	key, _ := values[1].(int64)
	return recipient.NewRefusal(
		bounce.ParseStamp(text(0)).UnixMilli(),
		key,
		text(2),
		text(3),
		text(4),
		text(5),
		bounce.Reason(text(6)),
		text(7),
	)
}

func stampOf(ms int64) string { return bounce.Stamp(time.UnixMilli(ms)) }

// Refusals calls each for the refusals between two times, both included, in the order of
// time: for all, or for those that may be evidence if the rows of recipients show which
// these are. Most addresses that are refused were never reached.
func (r CrowdRecords) Refusals(from, to int64, each func(*recipient.Refusal)) error {
	if r.Stale {
		return r.refusals("occurred_at BETWEEN ? AND ? ORDER BY occurred_at", each, stampOf(from), stampOf(to))
	}
	reached, err := r.reachedFilter()
	if err != nil {
		return err
	}
	return r.refusals(`occurred_at BETWEEN ? AND ? AND (
		    reason = 'no-such-domain'
		    OR substr(?, (recipient_key & ?) + 1, 1) = x'01' AND EXISTS (
		        SELECT 1 FROM recipients r INDEXED BY recipients_refused_and_reached
		        WHERE r.recipient_key = bounces.recipient_key
		          AND r.last_delivery_at IS NOT NULL
		          AND r.permanent_count > 0
		    )
		)
		ORDER BY occurred_at`, each, stampOf(from), stampOf(to), reached, int64(len(reached)-1))
}

// The size of a filter of addresses, in bytes. Both are powers of two.
const (
	minFilter = 1 << 10
	maxFilter = 1 << 22
)

// reachedFilter returns a filter of the addresses that were refused and reached: a byte
// for each value of the last bits of a key, 1 if some address has it. Looking into the
// filter for each of millions of refusals takes a tenth of looking into the index.
func (r CrowdRecords) reachedFilter() ([]byte, error) {
	const reached = `
		FROM recipients INDEXED BY recipients_refused_and_reached
		WHERE last_delivery_at IS NOT NULL AND permanent_count > 0`
	var n int
	if err := r.Conn.QueryRowContext(r.Ctx, "SELECT count(*) "+reached).Scan(&n); err != nil {
		return nil, err
	}
	size := minFilter
	for size < min(16*n, maxFilter) {
		size *= 2
	}
	filter := make([]byte, size)
	return filter, r.each(1, "SELECT recipient_key "+reached,
		func(int, *params) {},
		func(_ int, values []driver.Value) error {
			key, _ := values[0].(int64)
			filter[key&int64(size-1)] = 1
			return nil
		})
}

// AllRefusals calls each for every refusal between two times, both included.
func (r CrowdRecords) AllRefusals(from, to int64, each func(*recipient.Refusal)) error {
	return r.refusals("occurred_at BETWEEN ? AND ?", each, stampOf(from), stampOf(to))
}

// RefusalCounts returns the number of all refusals between two times by slot, which is
// all of a stamp but the last minute and what follows.
func (r CrowdRecords) RefusalCounts(from, to int64) (*recipient.Sends, error) {
	counts := &recipient.Sends{}
	return counts, r.each(1, `
		SELECT substr(occurred_at, 1, 15) AS slot, count(*)
		FROM bounces
		WHERE suppress = 1 AND occurred_at BETWEEN ? AND ?
		GROUP BY slot
		ORDER BY slot`,
		func(_ int, p *params) {
			p.Add(stampOf(from))
			p.Add(stampOf(to))
		},
		func(_ int, values []driver.Value) error {
			slot, _ := values[0].(string)
			n, _ := values[1].(int64)
			counts.Add(recipient.SlotOf(bounce.ParseStamp(slot+"0:00.000Z").UnixMilli()), int(n))
			return nil
		})
}

// DomainRefusals returns the refusals of addresses in a domain between two times,
// sorted, without lookups.
func (r CrowdRecords) DomainRefusals(domain string, from, to int64) (all []recipient.Refusal, err error) {
	err = r.refusals("occurred_at BETWEEN ? AND ? AND domain = ? AND reason <> 'no-such-domain' ORDER BY occurred_at",
		func(one *recipient.Refusal) { all = append(all, *one) }, stampOf(from), stampOf(to), domain)
	return all, err
}

// Lookups returns the refusals of domains that were not found in the DNS, of all times.
func (r CrowdRecords) Lookups(domains []string) (all []recipient.Refusal, err error) {
	err = r.refusals("reason = 'no-such-domain' AND domain IN (SELECT value FROM json_each(?)) ORDER BY occurred_at",
		func(one *recipient.Refusal) { all = append(all, *one) }, sqldb.TextList(domains))
	return all, err
}

// refusals calls each for every refusal that a condition with some parameters selects.
func (r CrowdRecords) refusals(where string, each func(*recipient.Refusal), args ...driver.Value) error {
	return r.each(1, selectRefusals+where,
		func(_ int, p *params) {
			for _, arg := range args {
				p.Add(arg)
			}
		},
		func(_ int, values []driver.Value) error {
			one := readRefusal(values)
			each(&one)
			return nil
		})
}

// RefusedAfter reports whether there is a refusal after a time.
func (r CrowdRecords) RefusedAfter(at int64) (later bool, err error) {
	err = r.Conn.QueryRowContext(r.Ctx,
		"SELECT EXISTS (SELECT 1 FROM bounces WHERE suppress = 1 AND occurred_at > ?)",
		stampOf(at),
	).Scan(&later)
	return later, err
}

// RefusalsOf returns all refusals of addresses. Most addresses have none, which their rows
// show: their failures need not be read then. Those of the transaction may be missing.
func (r CrowdRecords) RefusalsOf(keys []int64) (all []recipient.Refusal, err error) {
	err = r.each(len(keys), selectRefusals+`recipient_key IN (
		    SELECT recipient_key
		    FROM recipients
		    WHERE recipient_key = ? AND permanent_count > 0
		)`,
		func(i int, p *params) { p.Add(keys[i]) },
		func(_ int, values []driver.Value) error {
			all = append(all, readRefusal(values))
			return nil
		})
	return all, err
}

// RefusedAt calls each for every refusal of addresses.
func (r CrowdRecords) RefusedAt(keys []int64, each func(key, at int64)) error {
	return r.each(len(keys), "SELECT occurred_at FROM bounces WHERE recipient_key = ? AND suppress = 1",
		func(i int, p *params) { p.Add(keys[i]) },
		func(i int, values []driver.Value) error {
			stamp, _ := values[0].(string)
			each(keys[i], bounce.ParseStamp(stamp).UnixMilli())
			return nil
		})
}

// Accepted calls each for those of the domains that ever accepted mail.
func (r CrowdRecords) Accepted(domains []string, each func(domain string)) error {
	return r.each(len(domains), "SELECT 1 FROM daily_counts WHERE domain = ? AND sent > 0 LIMIT 1",
		func(i int, p *params) { p.Add(domains[i]) },
		func(i int, _ []driver.Value) error {
			each(domains[i])
			return nil
		})
}

// AcceptedDays returns on how many days each of the domains accepted mail.
func (r CrowdRecords) AcceptedDays(domains []string) (map[string]int, error) {
	days := make(map[string]int, len(domains))
	return days, r.each(len(domains), "SELECT count(*) FROM daily_counts WHERE domain = ? AND sent > 0",
		func(i int, p *params) { p.Add(domains[i]) },
		func(i int, values []driver.Value) error {
			n, _ := values[0].(int64)
			days[domains[i]] = int(n)
			return nil
		})
}

// NotFound returns the domains that were ever not found in the DNS.
func (r CrowdRecords) NotFound() (map[string]bool, error) {
	domains := make(map[string]bool)
	return domains, r.each(1, "SELECT DISTINCT domain FROM bounces WHERE suppress = 1 AND reason = 'no-such-domain'",
		func(int, *params) {},
		func(_ int, values []driver.Value) error {
			domain, _ := values[0].(string)
			domains[domain] = true
			return nil
		})
}

// Horizon returns the stamp before which records were deleted for their age.
func (r CrowdRecords) Horizon() (horizon string, err error) {
	err = r.Conn.QueryRowContext(r.Ctx, "SELECT coalesce(max(since), '') FROM horizons").Scan(&horizon)
	return horizon, err
}
