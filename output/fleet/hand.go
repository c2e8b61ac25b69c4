package fleet

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/feed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// byHand finds what was decided by hand on this host and is not in the fleet yet.
type byHand struct {
	mark      string // see feed.DecisionsVersion; of what was sent
	next      string // of what is being sent
	decisions []feed.Decision
	releases  []feed.Release
	forgotten []feed.Forgotten
	dueAt     time.Time
}

// handInterval is the pause between two looks.
const handInterval = 2 * time.Second

// waiting is how much is to be sent.
func (h *byHand) waiting() int { return len(h.decisions) + len(h.releases) + len(h.forgotten) }

func (h *byHand) due() bool { return h.waiting() > 0 || time.Now().After(h.dueAt) }

// some returns decisions for one transaction.
func (h *byHand) some() []feed.Decision { return h.decisions[:min(len(h.decisions), batchSize)] }

// committed notes that the first n decisions, and all others, are stored.
func (h *byHand) committed(n int) {
	h.decisions, h.releases, h.forgotten = h.decisions[n:], nil, nil
	if len(h.decisions) == 0 {
		h.mark = h.next
	}
}

// lookByHand looks for decisions and releases that the fleet does not have.
func (s *Sender) lookByHand(ctx context.Context) error {
	h := &s.hand
	if h.waiting() > 0 {
		return nil
	}
	h.dueAt = time.Now().Add(handInterval)
	mark, err := s.source.feed.DecisionsVersion(ctx)
	if err != nil || mark == h.mark {
		return err
	}
	if h.decisions, err = s.newDecisions(ctx); err != nil {
		return err
	}
	if h.releases, err = s.newReleases(ctx); err != nil {
		return err
	}
	if h.forgotten, err = s.newForgotten(ctx); err != nil {
		return err
	}
	if h.next = mark; h.waiting() == 0 {
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
	known, err := mapOf[int64, Stamp](ctx, s.conn, `
		SELECT recipient_key, decided_at
		FROM bouncetail.decisions
		WHERE recipient_key = ANY ($1)`, decidedKeys(list))
	return slices.DeleteFunc(list, func(d feed.Decision) bool { return d.At <= string(known[d.Key]) }), err
}

// decidedKeys returns the addresses of decisions.
func decidedKeys(list []feed.Decision) []int64 {
	keys := make([]int64, len(list))
	for i := range list {
		keys[i] = list[i].Key
	}
	return keys
}

// newReleases returns the releases that the fleet does not have as they are now.
func (s *Sender) newReleases(ctx context.Context) ([]feed.Release, error) {
	list, err := s.source.feed.Releases(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	rows, err := s.conn.Query(ctx, selectMarks, 0)
	if err != nil {
		return nil, err
	}
	stored, _, err := scanMarks(rows)
	known := query.ByIdentity(stored)
	return slices.DeleteFunc(list, func(r feed.Release) bool {
		r.Domain = clean(r.Domain)
		there := known[r.Identity()]
		return there != nil && !r.Overrules(there)
	}), err
}

// newForgotten returns the addresses that the fleet has not forgotten.
func (s *Sender) newForgotten(ctx context.Context) (list []feed.Forgotten, err error) {
	until, err := s.source.feed.ForgottenUntil(ctx)
	if err != nil || len(until) == 0 {
		return nil, err
	}
	known, err := forgottenOf(ctx, s.conn, slices.Collect(maps.Keys(until)))
	for key, stamp := range until {
		if stamp > string(known[key]) {
			list = append(list, feed.Forgotten{Key: key, Until: stamp})
		}
	}
	return list, err
}

func forgottenArrays(list []feed.Forgotten) (keys []int64, untils []string) {
	for _, f := range list {
		keys, untils = append(keys, f.Key), append(untils, f.Until)
	}
	return keys, untils
}

// forgottenOf returns until when which of some addresses were forgotten.
func forgottenOf(ctx context.Context, db querier, keys []int64) (map[int64]Stamp, error) {
	return mapOf[int64, Stamp](ctx, db, `
		SELECT recipient_key, until
		FROM bouncetail.forgotten
		WHERE recipient_key = ANY ($1)`, keys)
}

// forget deletes what is known of addresses until some times, and touches those that have
// failed since. The crowds that they were in stay as they are.
func (t *transaction) forget(list []feed.Forgotten, instance int64, all touches) error {
	if len(list) == 0 {
		return nil
	}
	keys, untils := forgottenArrays(list)
	if err := t.freezeCrowdsOf(keys); err != nil {
		return err
	}
	_, err := t.Exec(t.ctx, "SELECT bouncetail.forget($1::bigint[], $2::text[]::timestamptz[], $3::integer, $4::bigint)",
		keys, untils, instance, t.seq+1)
	if err != nil {
		return err
	}
	t.generation++ // as the statement does
	for _, key := range keys {
		delete(all, key)
	}
	rows, err := t.Query(t.ctx, `
		SELECT DISTINCT ON (recipient_key) recipient_key, recipient, domain
		FROM bouncetail.bounces
		WHERE recipient_key = ANY ($1) AND reason <> 'suppressed'`, keys)
	if err != nil {
		return err
	}
	var key int64
	var to bounce.Address
	_, err = pgx.ForEachRow(rows, []any{&key, &to.Normal, &to.Domain}, func() error {
		all[key] = &touched{to: to, replay: true}
		return nil
	})
	return err
}

// dropForgotten forgets addresses again of which failures were stored while another
// sender forgot them.
func (t *transaction) dropForgotten(instance int64, all touches) error {
	var keys []int64
	for key, one := range all {
		if len(one.failures) > 0 {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 || !t.anyForgotten {
		return nil
	}
	known, err := forgottenOf(t.ctx, t, keys)
	if err != nil {
		return err
	}
	var again []feed.Forgotten
	for key, until := range known {
		if slices.ContainsFunc(all[key].failures, func(f failure) bool { return f.At <= string(until) }) {
			again = append(again, feed.Forgotten{Key: key, Until: string(until)})
		}
	}
	return t.forget(again, instance, all)
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
var saveDecisions = `
	INSERT INTO bouncetail.decisions AS known (instance, seq, ` + names(decisionColumns) + `)
	SELECT $8::integer, $9::bigint, *
	FROM ` + unnest(decisionColumns) + `
	ON CONFLICT (recipient_key) DO UPDATE
	SET (instance, seq, ` + names(decisionColumns[3:]) + `) =
	    (excluded.instance, excluded.seq, ` + excluded(decisionColumns[3:]) + `)
	WHERE excluded.decided_at > known.decided_at`

// decide stores decisions and releases, and touches the addresses that they concern.
func (t *transaction) decide(decisions []feed.Decision, releases []feed.Release, instance int64, all touches) error {
	if len(decisions)+len(releases) == 0 {
		return nil
	}
	// What was decided about an address that was forgotten since is forgotten, too.
	forgotten, err := forgottenOf(t.ctx, t, decidedKeys(decisions))
	if err != nil {
		return err
	}
	decisions = slices.DeleteFunc(slices.Clone(decisions), func(d feed.Decision) bool { return d.At <= string(forgotten[d.Key]) })
	if len(decisions) > 0 {
		t.anyDecision = true
		if _, err := execRows(t, saveDecisions, decisionColumns, decisions, instance, t.seq+1); err != nil {
			return err
		}
		for i := range decisions {
			d := &decisions[i]
			all.of(d.Key).to = bounce.Address{Normal: clean(d.Recipient), Domain: clean(d.Domain)}
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
func (t *transaction) release(r *feed.Release, instance int64, all touches) error {
	var withdrawn any
	if r.WithdrawnAt != nil {
		withdrawn = *r.WithdrawnAt
	}
	saved, err := t.Exec(t.ctx, `
		INSERT INTO bouncetail.releases AS known
		    (instance, confirms, id, since, until, category, domain, reason, note, made_at, withdrawn_at, seq)
		VALUES ($1, $2, $3, $4::text::timestamptz, $5::text::timestamptz,
		    $6, $7, $8, $9, $10::text::timestamptz, $11::text::timestamptz, $12)
		ON CONFLICT (confirms, made_at, since, until, category, domain, reason) DO UPDATE
		SET (withdrawn_at, seq) = (excluded.withdrawn_at, excluded.seq)
		WHERE known.withdrawn_at IS NULL AND excluded.withdrawn_at IS NOT NULL`,
		instance, r.Confirms, r.ID, r.Since, r.Until, r.Category, clean(r.Domain), r.Reason,
		optional(clean(r.Note)), r.ReleasedAt, withdrawn, t.seq+1)
	if err != nil || saved.RowsAffected() == 0 {
		return err
	}
	rows, err := t.Query(t.ctx, `
		SELECT DISTINCT recipient_key
		FROM bouncetail.bounces
		WHERE occurred_at >= $1::text::timestamptz AND occurred_at < $2::text::timestamptz
		  AND ($3 = '' OR category = $3)
		  AND ($4 = '' OR reason = $4)
		  AND ($5 = '' OR domain = $5)
		  AND (suppress OR NOT $6)`, r.Since, r.Until, r.Category, r.Reason, clean(r.Domain), r.Confirms)
	if err != nil {
		return err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for _, key := range keys {
		all.of(key).replay = true
	}
	return err
}

const selectReleases = `
	SELECT confirms, id, since, until, category, domain, reason
	FROM bouncetail.releases
	WHERE withdrawn_at IS NULL
	ORDER BY instance, confirms, id`

// readReleases reads the releases and confirmations that are in force.
func (t *transaction) readReleases() error {
	t.in.Releases, t.in.Confirms = nil, nil
	return t.send(newStatement(selectReleases).scan(t.scanRelease))
}

func (t *transaction) scanRelease(r *fields) error {
	list := &t.in.Releases
	if confirms := r.bool(); confirms {
		list = &t.in.Confirms
	}
	*list = append(*list, recipient.Release{
		ID:       r.number(),
		Since:    r.stamp(),
		Until:    r.stamp(),
		Category: r.text(),
		Domain:   r.text(),
		Reason:   r.text(),
	})
	return nil
}

// decisionsOn returns the decisions on addresses.
func (t *transaction) decisionsOn(keys []int64) (map[int64]*recipient.Decision, error) {
	if !t.anyDecision {
		return nil, nil
	}
	found := make(map[int64]*recipient.Decision)
	return found, t.send(newStatement(`
		SELECT recipient_key, recipient, decision, decided_at, until
		FROM bouncetail.decisions
		WHERE recipient_key = ANY ($1) AND decision <> ''`, keyArray(keys)).scan(func(f *fields) error {
		key := f.number()
		d := &recipient.Decision{Recipient: f.text(), Decision: f.text(), DecidedAt: f.stamp()}
		if until := f.stamp(); until != "" {
			d.Until = &until
		}
		found[key] = d
		return nil
	}))
}
