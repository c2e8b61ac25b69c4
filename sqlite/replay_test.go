package sqlite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// The tables depend on neither the order in which logs are read, nor the batches,
// nor the moment at which an admin decides, releases or changes the policy, and
// Rebuild makes the same tables from the records alone.
func TestTablesFollowFromWhatHappenedAlone(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 2))
		events := randomEvents(rng)
		p := policy
		if seed%2 == 1 {
			p.Categories = map[bounce.Category]bounce.Threshold{bounce.InvalidAddress: {SuppressDays: 4}, bounce.MailboxFull: {Failures: 3, Days: 2, Window: 9, BadDays: 3}}
		}
		now := day.AddDate(0, 0, rng.IntN(40))
		var first []string
		for round := range 4 {
			what := fmt.Sprintf("seed %d, round %d", seed, round)
			s, path := openNew(t)
			s.Now = func() time.Time { return now }
			e := editor(t, path, now)
			rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			saveBetween(t, rng, s, events, whatAnAdminDoes(t, s, e, p, now))
			if len(dump(t, s.db, "SELECT 1 FROM releases")) == 0 { // it came before the failures
				if _, err := e.Release(t.Context(), theRelease, false); err != nil {
					t.Fatal(err)
				}
			}
			got := dump(t, s.db, visibleState)
			if round == 0 {
				first = got
			} else if !slices.Equal(got, first) {
				t.Fatalf("%s:\ngot  %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(first, "\n     "))
			}
			statesAreCounted(t, s.db)
			rebuildRepairs(t, s, what)
			if _, err := e.Withdraw(t.Context(), []bounce.Address{to("z")}); err != nil { // which never failed
				t.Fatal(err)
			}
			statesAreCounted(t, s.db)
			s.Close()
			e.Close()
		}
	}
}

const (
	// visibleState names records by their events, because their numbers depend on
	// the order of arrival.
	visibleState = `SELECT r.recipient, r.domain, state, decided_by, r.category, r.reason, coalesce(first_failure_at, '-'), coalesce(last_failure_at, '-'),
		coalesce(last_delivery_at, '-'), permanent_count, retry_count, coalesce(bad_since, '-'), coalesce(bad_until, '-'), coalesce(memory, '-'),
		coalesce(l.event_id, '-'), coalesce(d.event_id, '-')
		FROM recipients r LEFT JOIN bounces l ON l.id = r.last_bounce_id LEFT JOIN bounces d ON d.id = r.deciding_bounce_id ORDER BY r.recipient`
	wholeState = "SELECT *, '' AS seq FROM (SELECT recipient, domain, state, decided_by, category, reason, first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count, bad_since, bad_until, last_bounce_id, deciding_bounce_id, recipient_key, memory FROM recipients) ORDER BY recipient"
)

// theRelease is of eight days after the first to twelve.
var theRelease = recipient.Release{Since: bounce.Stamp(day.AddDate(0, 0, 8)), Until: bounce.Stamp(day.AddDate(0, 0, 12)), Category: "mailbox-full"}

// randomEvents returns 120 records and successes of six addresses within 30 days.
func randomEvents(rng *rand.Rand) []any {
	var events []any
	for range 120 {
		local, minute := string(rune('a'+rng.IntN(6))), rng.IntN(30*aDay)
		switch rng.IntN(8) {
		case 0:
			events = append(events, succeeded(local, minute))
		case 1:
			if rng.IntN(3) == 0 {
				events = append(events, failed(local, minute, bounce.Bounced, true))
			}
		case 2:
			events = append(events, failed(local, minute, bounce.Deferred, false))
		case 3:
			events = append(events, judged(local, minute, bounce.Expired, bounce.Unclassified, bounce.Unknown, bounce.ScopeNetwork))
		case 4:
			events = append(events, judged(local, minute, bounce.Bounced, bounce.RecipientError, bounce.RecipientRefused, bounce.ScopeRecipient))
		default:
			events = append(events, full(local, minute))
		}
	}
	return events
}

// whatAnAdminDoes returns what happens at some time between the batches.
func whatAnAdminDoes(t *testing.T, s *Store, e *Editor, p bounce.Policy, now time.Time) []func() error {
	return []func() error{
		func() error { _, _, err := s.UsePolicy(t.Context(), &p); return err },
		func() error {
			_, err := e.Decide(t.Context(), recipient.Allow, []bounce.Address{to("a")}, "", time.Time{})
			return err
		},
		func() error {
			_, err := e.Decide(t.Context(), recipient.Block, []bounce.Address{to("b"), to("z")}, "", now.AddDate(0, 0, 3))
			return err
		},
		func() error { _, err := s.Expire(t.Context()); return err },
		func() error {
			_, err := e.Release(t.Context(), theRelease, false)
			if err != nil && strings.Contains(err.Error(), "no failure is so old") {
				return nil // the test tries again when all events are stored
			}
			return err
		},
	}
}

// saveBetween saves events in batches of random size, and runs the functions in
// random order between them.
func saveBetween(t *testing.T, rng *rand.Rand, s *Store, events []any, functions []func() error) {
	t.Helper()
	rng.Shuffle(len(functions), func(i, j int) { functions[i], functions[j] = functions[j], functions[i] })
	run := func(do func() error) {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	for len(events) > 0 {
		if len(functions) > 0 && rng.IntN(3) == 0 {
			run(functions[0])
			functions = functions[1:]
		}
		n := min(1+rng.IntN(30), len(events))
		b := &bounce.Batch{}
		for _, ev := range events[:n] {
			switch ev := ev.(type) {
			case bounce.Record:
				b.Records.Add(&ev)
			case bounce.Success:
				b.Successes = append(b.Successes, ev)
			}
		}
		save(t, s, b)
		events = events[n:]
	}
	for _, do := range functions {
		run(do)
	}
}

// rebuildRepairs asserts that Rebuild changes nothing, and that it repairs rows
// that were damaged or deleted.
func rebuildRepairs(t *testing.T, s *Store, what string) {
	t.Helper()
	if n, err := s.Rebuild(t.Context()); err != nil || n != 0 {
		t.Fatalf("%s: Rebuild changes %d rows, %v", what, n, err)
	}
	whole := dump(t, s.db, wholeState)
	for _, damage := range []string{
		"UPDATE recipients SET state = 'ok', decided_by = 'failure', bad_since = NULL, last_delivery_at = NULL, retry_count = 0, memory = 'none'",
		"DELETE FROM recipients",
	} {
		if _, err := s.db.ExecContext(t.Context(), damage); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Rebuild(t.Context()); err != nil || n != len(whole) {
			t.Fatalf("%s: Rebuild after %s repairs %d rows, %v; want %d", what, damage, n, err, len(whole))
		}
		if again := dump(t, s.db, wholeState); !slices.Equal(whole, again) {
			t.Fatalf("%s: rebuilt after %s\ngot  %s\nwant %s", what, damage, strings.Join(again, "\n     "), strings.Join(whole, "\n     "))
		}
		statesAreCounted(t, s.db)
	}
}
