package incidents

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Count is a value with a number.
type Count struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// Details is all that is shown of one incident. The numbers are counted when they are
// shown.
type Details struct {
	Shown
	Hours     []Count `json:"by_hour"`   // failures by hour of the log, in UTC
	Receivers []Count `json:"receivers"` // providers, or domains of no known one
	Senders   []Count `json:"senders"`
	Replies   []Count `json:"replies"` // an example of each rule and code
	States    []Count `json:"states"`  // of its addresses now
	Parts     []int64 `json:"parts"`   // incidents that belong to it
	// Since is from when on failures were counted, if there was no time for all of
	// them; empty is all. The numbers of all of them are those that were stored last.
	Since string `json:"counted_since,omitempty"`
}

// Get returns an incident by its number. Its failures are counted, the last first, as long
// as there is time; 0 is no limit.
func Get(ctx context.Context, db sqldb.Querier, id int64, limit time.Duration) (*Details, error) {
	i, err := loadOne(ctx, db, id)
	if err != nil {
		return nil, err
	}
	s, err := show(ctx, db, i)
	if err != nil {
		return nil, err
	}
	d := &Details{Shown: *s, Hours: []Count{}, Receivers: []Count{}, Senders: []Count{}, Replies: []Count{}, States: []Count{}, Parts: []int64{}}
	parts, err := sqldb.Numbers(ctx, db, "SELECT id FROM incidents WHERE part_of = ? ORDER BY id", id)
	if err != nil {
		return nil, err
	}
	d.Parts = append(d.Parts, parts...)
	if where, _ := kindred(i); where == "" {
		return d, nil
	}
	return d, d.count(ctx, db, limit)
}

// counted is what was counted of the failures of an incident.
type counted struct {
	failures                  int
	hours, receivers, senders map[string]int
	replies                   map[replyKind]*Count
	domains                   map[string]bool
	addresses                 map[int64]bool
}

// replyKind is what replies have in common that differ in addresses and numbers only.
type replyKind struct{ rule, code, enhanced string }

// maxReplies is how many kinds of replies are counted.
const maxReplies = 10_000

// count counts the failures of the incident.
func (d *Details) count(ctx context.Context, db sqldb.Querier, limit time.Duration) error {
	c := &counted{
		hours: make(map[string]int), receivers: make(map[string]int), senders: make(map[string]int), replies: make(map[replyKind]*Count),
		domains: make(map[string]bool), addresses: make(map[int64]bool),
	}
	end := d.LastAt + "." // follows this stamp, and is before the next one
	_, since, err := query.Recent(ctx, db, d.StartedAt, end, query.Bound{Time: limit}, func(from, to string) (int, error) {
		return c.read(ctx, db, d, from, to)
	})
	if err != nil {
		return err
	}
	if since > d.StartedAt {
		d.Since = since
	} else {
		d.Attempts, d.Addresses, d.Domains = c.failures, len(c.addresses), len(c.domains)
	}
	d.Hours = mostOf(c.hours, len(c.hours))
	slices.SortFunc(d.Hours, func(a, b Count) int { return cmp.Compare(a.Name, b.Name) })
	d.Receivers, d.Senders = mostOf(c.receivers, 5), mostOf(c.senders, 5)
	replies := make([]Count, 0, len(c.replies))
	for _, one := range c.replies {
		replies = append(replies, *one)
	}
	d.Replies = most(replies, 3)
	return sqldb.ScanAll(ctx, db, "SELECT state, count(*) FROM recipients WHERE recipient_key IN (SELECT value FROM json_each(?)) GROUP BY 1 ORDER BY 2 DESC", func(scan func(...any) error) error {
		var one Count
		err := scan(&one.Name, &one.N)
		d.States = append(d.States, one)
		return err
	}, sqldb.NumberList(slices.Collect(maps.Keys(c.addresses))))
}

// read counts the failures of a part of the incident. It returns how many rows it looked
// at, about.
func (c *counted) read(ctx context.Context, db sqldb.Querier, d *Details, from, to string) (int, error) {
	where, args := kindred(&d.Incident) // with one range of time, so that the index is used for it
	n := 0
	err := sqldb.ScanAll(ctx, db, "SELECT substr(occurred_at, 1, 13), coalesce(sender, ''), coalesce(reply, ''), rule, coalesce(smtp_code, ''), coalesce(enhanced_code, ''), coalesce(provider, domain), domain, recipient_key FROM bounces WHERE "+where+" AND occurred_at >= ? AND occurred_at < ?",
		func(scan func(...any) error) error {
			var hour, sender, reply, receiver, domain string
			var kind replyKind
			var key int64
			err := scan(&hour, &sender, &reply, &kind.rule, &kind.code, &kind.enhanced, &receiver, &domain, &key)
			n++
			c.hours[hour]++
			c.senders[sender]++
			c.receivers[receiver]++
			if one := c.replies[kind]; one != nil {
				one.N++
				one.Name = min(one.Name, reply)
			} else if len(c.replies) < maxReplies {
				c.replies[kind] = &Count{reply, 1}
			}
			c.domains[domain], c.addresses[key] = true, true
			return err
		}, append(args, from, to)...)
	c.failures += n
	return n + 1, err
}

// mostOf returns the largest counts, at most n.
func mostOf(counts map[string]int, n int) []Count {
	all := make([]Count, 0, len(counts))
	for name, n := range counts {
		all = append(all, Count{name, n})
	}
	return most(all, n)
}

// most returns the largest of some counts, at most n.
func most(all []Count, n int) []Count {
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return all[:min(n, len(all))]
}
