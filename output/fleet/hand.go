package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// byHand finds what was decided by hand on this host and is not in the fleet yet.
type byHand struct {
	mark      string // see feed.HandMark; of what was sent
	next      string // of what is being sent
	decisions []feed.Decision
	releases  []feed.Release
	dueAt     time.Time
}

// handInterval is the pause between two looks.
const handInterval = 2 * time.Second

func (h *byHand) due() bool { return len(h.decisions)+len(h.releases) > 0 || time.Now().After(h.dueAt) }

// some returns decisions for one transaction.
func (h *byHand) some() []feed.Decision { return h.decisions[:min(len(h.decisions), batchSize)] }

// committed notes that the first n decisions, and all releases, are stored.
func (h *byHand) committed(n int) {
	h.decisions, h.releases = h.decisions[n:], nil
	if len(h.decisions) == 0 {
		h.mark = h.next
	}
}

// lookByHand looks for decisions and releases that the fleet does not have.
func (s *Sender) lookByHand(ctx context.Context, number int64) error {
	h := &s.hand
	if len(h.decisions)+len(h.releases) > 0 {
		return nil
	}
	h.dueAt = time.Now().Add(handInterval)
	mark, err := s.source.feed.HandMark(ctx)
	if err != nil || mark == h.mark {
		return err
	}
	if h.decisions, err = s.newDecisions(ctx); err != nil {
		return err
	}
	if h.releases, err = s.newReleases(ctx, number); err != nil {
		return err
	}
	if h.next = mark; len(h.decisions)+len(h.releases) == 0 {
		h.mark = mark
	}
	return nil
}

// newDecisions returns the decisions that are later than those of the fleet.
func (s *Sender) newDecisions(ctx context.Context) ([]feed.Decision, error) {
	list, err := s.source.feed.Decisions(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	keys := make([]int64, len(list))
	for i := range list {
		keys[i] = list[i].Key
	}
	rows, err := s.conn.Query(ctx, "SELECT recipient_key, decided_at FROM bouncetail.decisions WHERE recipient_key = ANY ($1)", keys)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]string)
	var key int64
	var at stamp
	_, err = pgx.ForEachRow(rows, []any{&key, &at}, func() error {
		known[key] = string(at)
		return nil
	})
	return slices.DeleteFunc(list, func(d feed.Decision) bool { return d.At <= known[d.Key] }), err
}

// newReleases returns the releases that the fleet does not have as they are now.
func (s *Sender) newReleases(ctx context.Context, number int64) ([]feed.Release, error) {
	list, err := s.source.feed.Releases(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	rows, err := s.conn.Query(ctx, "SELECT confirms, id, withdrawn_at IS NOT NULL FROM bouncetail.releases WHERE instance = $1", number)
	if err != nil {
		return nil, err
	}
	type state struct {
		confirms  bool
		id        int64
		withdrawn bool
	}
	known := make(map[state]bool)
	var one state
	_, err = pgx.ForEachRow(rows, []any{&one.confirms, &one.id, &one.withdrawn}, func() error {
		known[one] = true
		return nil
	})
	return slices.DeleteFunc(list, func(r feed.Release) bool { return known[state{r.Confirms, r.ID, r.WithdrawnAt != nil}] }), err
}

var decisionColumns = []column[feed.Decision]{
	{"recipient_key", "bigint", func(d *feed.Decision) any { return d.Key }},
	{"recipient", "text", func(d *feed.Decision) any { return d.Recipient }},
	{"domain", "text", func(d *feed.Decision) any { return d.Domain }},
	{"decision", "text", func(d *feed.Decision) any { return d.Decision }},
	{"note", "text", func(d *feed.Decision) any { return optional(d.Note) }},
	{"decided_at", "timestamptz", func(d *feed.Decision) any { return d.At }},
	{"until", "timestamptz", func(d *feed.Decision) any { return optional(d.Until) }},
}

// The last word counts.
var saveDecisions = "INSERT INTO bouncetail.decisions AS known (instance, " + names(decisionColumns) + ") SELECT $8::integer, * FROM " + unnest(decisionColumns) +
	" ON CONFLICT (recipient_key) DO UPDATE SET (instance, " + names(decisionColumns[3:]) + ") = (excluded.instance, " + excluded(decisionColumns[3:]) + ")" +
	" WHERE excluded.decided_at > known.decided_at"

// decide stores decisions and releases, and touches the addresses that they concern.
func (t *transaction) decide(decisions []feed.Decision, releases []feed.Release, instance int64, all map[int64]*touched) error {
	if len(decisions) > 0 {
		if _, err := t.Exec(t.ctx, saveDecisions, append(arrays(decisionColumns, decisions), instance)...); err != nil {
			return err
		}
		for i := range decisions {
			d := &decisions[i]
			if all[d.Key] == nil {
				all[d.Key] = &touched{}
			}
			all[d.Key].to = bounce.Address{Normal: clean(d.Recipient), Domain: clean(d.Domain)}
		}
	}
	for i := range releases {
		if err := t.release(&releases[i], instance, all); err != nil {
			return err
		}
	}
	if len(releases) == 0 {
		return nil
	}
	return t.readReleases()
}

// release stores a release, and touches the addresses whose failures it covers.
func (t *transaction) release(r *feed.Release, instance int64, all map[int64]*touched) error {
	var withdrawn any
	if r.WithdrawnAt != nil {
		withdrawn = *r.WithdrawnAt
	}
	_, err := t.Exec(t.ctx, `
		INSERT INTO bouncetail.releases (instance, confirms, id, since, until, category, domain, reason, note, made_at, withdrawn_at)
		VALUES ($1, $2, $3, $4::text::timestamptz, $5::text::timestamptz, $6, $7, $8, $9, $10::text::timestamptz, $11::text::timestamptz)
		ON CONFLICT (instance, confirms, id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at`,
		instance, r.Confirms, r.ID, r.Since, r.Until, r.Category, clean(r.Domain), r.Reason, optional(clean(r.Note)), r.ReleasedAt, withdrawn)
	if err != nil {
		return err
	}
	rows, err := t.Query(t.ctx, `
		SELECT DISTINCT recipient_key
		FROM bouncetail.bounces
		WHERE occurred_at >= $1::text::timestamptz AND occurred_at < $2::text::timestamptz AND ($3 = '' OR category = $3) AND ($4 = '' OR reason = $4) AND ($5 = '' OR domain = $5)
		  AND (suppress OR NOT $6)`, r.Since, r.Until, r.Category, r.Reason, clean(r.Domain), r.Confirms)
	if err != nil {
		return err
	}
	var key int64
	_, err = pgx.ForEachRow(rows, []any{&key}, func() error {
		if all[key] == nil {
			all[key] = &touched{}
		}
		all[key].replay = true
		return nil
	})
	return err
}

// readReleases reads the releases and confirmations that are in force.
func (t *transaction) readReleases() error {
	rows, err := t.Query(t.ctx, "SELECT confirms, id, since, until, category, domain, reason FROM bouncetail.releases WHERE withdrawn_at IS NULL ORDER BY instance, confirms, id")
	if err != nil {
		return err
	}
	t.in.Releases, t.in.Confirms = nil, nil
	var confirms bool
	var r recipient.Release
	_, err = pgx.ForEachRow(rows, []any{&confirms, &r.ID, (*stamp)(&r.Since), (*stamp)(&r.Until), &r.Category, &r.Domain, &r.Reason}, func() error {
		if confirms {
			t.in.Confirms = append(t.in.Confirms, r)
		} else {
			t.in.Releases = append(t.in.Releases, r)
		}
		return nil
	})
	return err
}

// decisionsOn returns the decisions on addresses.
func (t *transaction) decisionsOn(keys []int64) (map[int64]*recipient.Decision, error) {
	rows, err := t.Query(t.ctx, "SELECT recipient_key, recipient, decision, decided_at, until FROM bouncetail.decisions WHERE recipient_key = ANY ($1) AND decision <> ''", keys)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]*recipient.Decision)
	for rows.Next() {
		var key int64
		var until stamp
		d := &recipient.Decision{}
		if err := rows.Scan(&key, &d.Recipient, &d.Decision, (*stamp)(&d.DecidedAt), &until); err != nil {
			return nil, err
		}
		if until != "" {
			d.Until = new(string(until))
		}
		found[key] = d
	}
	return found, rows.Err()
}
