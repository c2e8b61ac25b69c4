package fleet

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// crowdMemory is what a sender remembers of the refusals of the fleet from one
// transaction to the next.
type crowdMemory struct {
	recipient.CrowdMemory
	seq        int64 // of the clock up to which it has them; 0 if it has none
	generation int64 // of the clock; another one makes the memory void
}

var refusalColumns = []column[refusal]{
	{"recipient_key", "bigint", func(r *refusal) any { return &r.Key }},
	{"occurred_at", "timestamptz", func(r *refusal) any { return &r.event.at }},
	{"event_id", "bytea", func(r *refusal) any { return &r.event.id }},
	{"domain", "text", func(r *refusal) any { return &r.Domain }},
	{"provider", "text", func(r *refusal) any { return &r.Provider }},
	{"relay", "text", func(r *refusal) any { return &r.Relay }},
	{"host", "text", func(r *refusal) any { return &r.Host }},
	{"lookup", "boolean", func(r *refusal) any { return &r.Lookup }},
}

// refusal is a row of refusals.
type refusal struct {
	recipient.Refusal
	event event
}

// refusal returns the row of refusals of a failure.
func (f *failure) refusal(key int64, domain string) refusal {
	return refusal{recipient.Refusal{
		At:       msOf(f.At),
		Key:      key,
		Domain:   domain,
		Provider: f.Provider,
		Relay:    f.Relay,
		Host:     f.Host,
		Lookup:   f.Reason == bounce.NoSuchDomain,
	}, f.event}
}

var insertRefusals = `
	INSERT INTO bouncetail.refusals (seq, ` + names(refusalColumns) + `)
	SELECT $9::bigint, *
	FROM ` + unnest(refusalColumns)

// crowdNews is what a transaction adds that crowds follow from.
type crowdNews struct {
	touched touches
	known   map[int64]*recipientRow
	sent    []recipient.SentDay
}

// reach returns what is known of deliveries to an address.
func (n *crowdNews) reach(key int64) recipient.Reach {
	r := recipient.Reach{Key: key}
	if row := n.known[key]; row != nil {
		r.Failed, r.LastBefore = true, msOf(row.was.LastDelivery)
	}
	r.Last = r.LastBefore
	if t := n.touched[key]; t != nil {
		r.Last = max(r.Last, msOf(t.delivery))
	}
	return r
}

// findCrowds stores the new refusals, brings the crowds up to date, and touches the
// addresses whose histories have to be replayed by that.
func (t *transaction) findCrowds(news *crowdNews, memory *crowdMemory) error {
	records := crowdRecords{t, make(map[int64]string)}
	var new []refusal
	for key, one := range news.touched {
		records.delivered[key] = one.delivery
		for i := range one.failures {
			if f := &one.failures[i]; f.Suppress {
				new = append(new, f.refusal(key, one.to.Domain))
			}
		}
	}
	slices.SortFunc(new, func(a, b refusal) int { return a.event.compare(b.event) })
	f := recipient.CrowdFinder{Records: records, Memory: &memory.CrowdMemory, Limits: t.in.Policy.Crowds, Crowds: t.in.Crowds}
	f.News.Sent, f.News.Of = news.sent, news.reach
	f.News.Reached = func(yield func(recipient.Reach) bool) {
		for key := range news.touched {
			if !yield(news.reach(key)) {
				return
			}
		}
	}
	for i := range new {
		f.News.Refusals = append(f.News.Refusals, new[i].Refusal)
	}
	if err := t.catchUp(memory); err != nil {
		return err
	}
	f.News.LastRefusal = t.lastRefusal
	if len(new) > 0 {
		if err := t.later(rowsStatement(insertRefusals, refusalColumns, new, t.seq+1)); err != nil {
			return err
		}
	}
	if t.in.Policy.Crowds.Addresses == 0 {
		return nil
	}
	changes, err := f.Update()
	if err != nil {
		return err
	}
	for _, key := range changes.Affected {
		news.touched.of(key).replay = true
	}
	return t.saveCrowds(changes)
}

// catchUp brings the memory up to date with what other senders have stored.
func (t *transaction) catchUp(memory *crowdMemory) error {
	if memory.seq == 0 || memory.seq > t.seq || memory.generation != t.generation {
		*memory = crowdMemory{generation: t.generation}
		return nil
	}
	if memory.seq == t.seq {
		return nil // nobody else was there
	}
	var refusals []recipient.Refusal
	var reached []int64
	statements := []statement{refusalsWhere(func(one *recipient.Refusal) {
		refusals = append(refusals, *one)
	}, "seq > $1 ORDER BY occurred_at", memory.seq)}
	if memory.KnowsAddresses() {
		statements = append(statements, newStatement(`
			SELECT recipient_key
			FROM bouncetail.changes
			WHERE seq > $1 AND last_delivery_at IS NOT NULL`, memory.seq).scan(func(f *fields) error {
			reached = append(reached, f.number())
			return nil
		}))
	}
	err := t.send(statements...)
	memory.Add(refusals, reached)
	return err
}

// accepted reports whether a domain accepted mail after a stamp and until another, at any
// host: no matter how often it was counted.
func (t *transaction) accepted(domain, after, until string) bool {
	from, to := msOf(after), msOf(until)
	sent := crowdRecords{transaction: t}.traffic(from, to, "")
	n := sent.Domain(domain).Between(recipient.SlotOf(from)+1, recipient.SlotOf(to))
	if t.acceptedErr == nil {
		t.acceptedErr = sent.Err()
	}
	return n > 0
}

const selectCrowds = `
	SELECT id, kind, unit, started_at, last_at, ended_at, addresses, refused, attempts, domains, frozen
	FROM bouncetail.crowds
	ORDER BY started_at, id`

// readCrowds reads the crowds that are stored.
func (t *transaction) readCrowds() error {
	t.in.Crowds = nil
	return t.send(newStatement(selectCrowds).scan(t.scanCrowd))
}

func (t *transaction) scanCrowd(r *fields) error {
	c, sound := crowdOf(r)
	if !sound {
		t.leaveOut("the domains of crowd %d in crowds", c.ID)
	}
	t.in.Crowds = append(t.in.Crowds, c)
	return nil
}

// crowdOf reads a crowd, without its domains if those cannot be read. Such a crowd contains
// no failure.
func crowdOf(r *fields) (c recipient.Crowd, sound bool) {
	c = recipient.Crowd{
		ID:        r.number(),
		Unit:      recipient.Unit{Kind: recipient.UnitKind(r.text()), Name: r.text()},
		Start:     r.stamp(),
		Last:      r.stamp(),
		End:       r.stamp(),
		Addresses: int(r.number()), Refused: int(r.number()), Attempts: int(r.number()),
	}
	domains := r.next()
	c.Frozen = r.bool()
	if sound = json.Unmarshal(domains, &c.Domains) == nil; !sound {
		c.Domains = []string{""} // which no crowd has, so that it is stored again when it is found again
	}
	return c, sound
}

// Crowds returns the crowds of a fleet, in the order of their start.
func Crowds(ctx context.Context, conn *pgx.Conn) (all []recipient.Crowd, err error) {
	err = send(ctx, conn, newStatement(selectCrowds).scan(func(r *fields) error {
		c, _ := crowdOf(r)
		all = append(all, c)
		return nil
	}))
	return all, Explain(err)
}

// freezeCrowdsOf keeps the crowds as they are that have refusals of addresses, because
// those are deleted.
func (t *transaction) freezeCrowdsOf(keys []int64) error {
	if len(t.in.Crowds) == 0 {
		return nil
	}
	refusals, err := crowdRecords{transaction: t}.RefusalsOf(keys)
	if err != nil {
		return err
	}
	ids := recipient.CrowdsOf(t.in.Crowds, refusals)
	if len(ids) == 0 {
		return nil
	}
	for i := range t.in.Crowds {
		c := &t.in.Crowds[i]
		c.Frozen = c.Frozen || slices.Contains(ids, c.ID)
	}
	_, err = t.Exec(t.ctx, "UPDATE bouncetail.crowds SET frozen = true WHERE id = ANY ($1)", ids)
	return err
}

// saveCrowds stores what changes.
func (t *transaction) saveCrowds(changes *recipient.CrowdChanges) error {
	for i := range changes.Save {
		c := &changes.Save[i]
		domains, err := json.Marshal(c.Domains)
		if err != nil {
			return err
		}
		args := []any{string(c.Unit.Kind), c.Unit.Name, c.Start, c.Last, c.End, c.Addresses, c.Refused, c.Attempts, string(domains)}
		statement := `
			INSERT INTO bouncetail.crowds
			    (kind, unit, started_at, last_at, ended_at, addresses, refused, attempts, domains)
			VALUES
			    ($1, $2, $3::text::timestamptz, $4::text::timestamptz, $5::text::timestamptz, $6, $7, $8, $9)`
		if c.ID != 0 {
			args = append(args, c.ID)
			statement = `
				UPDATE bouncetail.crowds
				SET kind = $1, unit = $2,
				    started_at = $3::text::timestamptz, last_at = $4::text::timestamptz, ended_at = $5::text::timestamptz,
				    addresses = $6, refused = $7, attempts = $8, domains = $9
				WHERE id = $10`
		}
		if _, err := t.Exec(t.ctx, statement, args...); err != nil {
			return err
		}
	}
	if len(changes.Delete) > 0 {
		if _, err := t.Exec(t.ctx, "DELETE FROM bouncetail.crowds WHERE id = ANY ($1)", changes.Delete); err != nil {
			return err
		}
	}
	if len(changes.Save)+len(changes.Delete) == 0 {
		return nil
	}
	return t.readCrowds()
}
