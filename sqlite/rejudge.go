package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Stored is a record as the database holds it, as far as judging needs it.
type Stored struct {
	ID       int64
	key      int64
	Delivery bounce.Delivery
	Verdict  bounce.Verdict
}

// pageSize is how many rows are held at a time.
const pageSize = 10_000

const storedColumns = `id, recipient_key, recipient, outcome, mta, coalesce(dsn, ''), coalesce(smtp_code, 0), coalesce(enhanced_code, ''),
	coalesce(reply, ''), coalesce(stage, ''), coalesce(relay_host, ''), coalesce(transport, ''), coalesce(router, ''),
	category, reason, scope, disposition, suppress, rule, coalesce(provider, ''), coalesce(blocklist, ''), coalesce(retry_after, 0), coalesce(url, '')`

func scanStored(scan func(...any) error) (Stored, error) {
	var s Stored
	d, v := &s.Delivery, &s.Verdict
	var seconds int64
	err := scan(&s.ID, &s.key, &d.Recipient, &d.Outcome, &d.MTA, &d.DSN, &d.Reply.SMTPCode, &d.Reply.EnhancedCode,
		&d.Reply.Text, &d.Reply.Stage, &d.Reply.RelayHost, &d.Transport, &d.Router,
		&v.Category, &v.Reason, &v.Scope, &v.Disposition, &v.Suppress, &v.Rule, &v.Provider, &v.Blocklist, &seconds, &v.URL)
	v.RetryAfter = time.Duration(seconds) * time.Second
	return s, err
}

// page returns the records that follow the one with the id after.
func page(ctx context.Context, db querier, after int64) ([]Stored, error) {
	var rows []Stored
	err := scanAll(ctx, db, "SELECT "+storedColumns+" FROM bounces WHERE id > ? ORDER BY id LIMIT ?", func(scan func(...any) error) error {
		s, err := scanStored(scan)
		rows = append(rows, s)
		return err
	}, after, pageSize)
	return rows, err
}

// Records calls each for every record, the first read first.
func (r *Reader) Records(ctx context.Context, each func(*Stored) error) error {
	for after := int64(0); ; {
		rows, err := page(ctx, r.db, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			if err := each(&rows[i]); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].ID
	}
}

// Rejudge judges all records anew and brings the recipients up to date, in one
// transaction. It calls changed for each record whose verdict is another, and
// returns how many those are.
func (s *Store) Rejudge(ctx context.Context, judge func(*bounce.Delivery) bounce.Verdict, changed func(old *Stored, now bounce.Verdict)) (int, error) {
	n := 0
	err := s.transaction(ctx, func(w *writer) error {
		keys := make(map[int64]struct{})
		for after := int64(0); ; {
			rows, err := page(ctx, w.tx, after)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return w.recomputeAll(slices.Collect(maps.Keys(keys)))
			}
			after = rows[len(rows)-1].ID
			other := make([]bounce.Verdict, 0, len(rows))
			rows = slices.DeleteFunc(rows, func(r Stored) bool {
				now := judge(&r.Delivery)
				if now == r.Verdict {
					return true
				}
				other = append(other, now)
				changed(&r, now)
				keys[r.key] = struct{}{}
				return false
			})
			n += len(rows)
			if err := w.saveVerdicts(rows, other); err != nil {
				return err
			}
		}
	})
	return n, err
}

func (w *writer) saveVerdicts(rows []Stored, verdicts []bounce.Verdict) error {
	return w.each(len(rows), `
		UPDATE bounces SET
		  category = ?, reason = ?, scope = ?, disposition = ?, suppress = ?, rule = ?, provider = ?, blocklist = ?, retry_after = ?, url = ?
		WHERE id = ?`,
		func(i int) []any {
			v := &verdicts[i]
			return []any{
				string(v.Category), string(v.Reason), string(v.Scope), string(v.Disposition), v.Suppress, v.Rule,
				text(v.Provider), text(v.Blocklist), number(int(v.RetryAfter / time.Second)), text(v.URL), rows[i].ID,
			}
		}, nil)
}

// transaction runs do whole or not at all.
func (s *Store) transaction(ctx context.Context, do func(*writer) error) error {
	w, err := s.newWriter(ctx)
	if err != nil {
		return err
	}
	if err = do(w); err != nil {
		err = fmt.Errorf("database %s: %w", s.path, err)
	}
	return w.end(err)
}

// Reply is a reply that no rule knows, with how often it came.
type Reply struct {
	Shape    string `json:"shape"`
	Count    int    `json:"count"`
	Example  string `json:"example"`
	LastSeen string `json:"last_seen"`
}

// Unclassified returns the replies that no rule knows, grouped by the shape
// that the function tells, most frequent first.
func (r *Reader) Unclassified(ctx context.Context, since string, shape func(reply string) string) ([]Reply, error) {
	found := make(map[string]*Reply)
	err := scanAll(ctx, r.db, "SELECT coalesce(reply, ''), occurred_at FROM bounces WHERE category = 'unclassified' AND occurred_at >= ?", func(scan func(...any) error) error {
		var reply, at string
		if err := scan(&reply, &at); err != nil {
			return err
		}
		s := shape(reply)
		f := found[s]
		if f == nil {
			f = &Reply{Shape: s, Example: reply}
			found[s] = f
		}
		f.Count++
		f.LastSeen = max(f.LastSeen, at)
		return nil
	}, since)
	if err != nil {
		return nil, err
	}
	all := make([]Reply, 0, len(found))
	for _, f := range found {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Reply) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Shape, b.Shape)) })
	return all, nil
}
