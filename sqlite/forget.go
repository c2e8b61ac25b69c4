package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// content is what a column may say about a person, and so what forgetting does
// with it.
type content uint8

const (
	impersonal content = iota // nothing: names of hosts and files, slugs, times, hashes of lines
	owned                     // the row is about the person: it is deleted by its recipient_key
	named                     // it may be the person: NULL then
	quoted                    // it may quote the person: the address is taken out of the text
	sampled                   // it may quote the person, and the row can be missed: it is deleted
	queued                    // what package queue remembers of a message
	parsed                    // what package logparse remembers of a stream
	packed                    // entries of deliveries, by recipient_key
)

// places says of every column of text or bytes what it may say about a person.
// A column that is missing here fails a test: whoever adds one decides.
var places = map[string]map[string]content{
	"bounces": {
		"event_id": impersonal, "occurred_at": impersonal, "recipient": owned, "domain": impersonal, "original_recipient": named,
		"sender": named, "message_id": quoted, "queue_id": impersonal, "host": impersonal, "mta": impersonal, "outcome": impersonal,
		"dsn": impersonal, "enhanced_code": impersonal, "reply": quoted, "stage": impersonal, "relay_host": impersonal,
		"relay_ip": impersonal, "category": impersonal, "reason": impersonal, "scope": impersonal, "disposition": impersonal,
		"rule": impersonal, "provider": impersonal, "recipient_logged": owned, "blocklist": impersonal, "url": quoted, "transport": impersonal, "router": impersonal,
	},
	"recipients": {
		"recipient": owned, "domain": impersonal, "state": impersonal, "category": impersonal, "reason": impersonal,
		"first_failure_at": impersonal, "last_failure_at": impersonal, "last_delivery_at": impersonal, "bad_since": impersonal,
		"decided_by": impersonal, "bad_until": impersonal, "memory": impersonal,
	},
	"decisions": {
		"recipient": owned, "domain": impersonal, "decision": impersonal, "note": quoted, "decided_at": impersonal,
		"until": impersonal, "ended_at": impersonal,
	},
	"releases": {
		"since": impersonal, "until": impersonal, "category": impersonal, "domain": impersonal, "reason": impersonal,
		"note": quoted, "released_at": impersonal, "withdrawn_at": impersonal,
	},
	"applied_policy":  {"settings": impersonal, "applied_at": impersonal},
	"recalls":         {"recalled_at": owned},
	"pruned_failures": {"first_failure_at": owned},
	"deliveries":      {"entries": packed},
	"successes":       {"ids": impersonal},
	"daily_counts":    {"day": impersonal, "domain": impersonal, "sent_slots": impersonal},
	"daily_traffic":   {"day": impersonal, "slots": impersonal},
	"crowds": {
		"kind": impersonal, "unit": impersonal, "started_at": impersonal, "last_at": impersonal, "ended_at": impersonal, "domains": impersonal,
	},
	"confirms": {
		"since": impersonal, "until": impersonal, "category": impersonal, "domain": impersonal, "reason": impersonal,
		"note": quoted, "confirmed_at": impersonal, "withdrawn_at": impersonal,
	},
	"positions": {
		"source": impersonal, "path": impersonal, "cursor": impersonal, "parser": parsed, "anchor": impersonal, "updated_at": impersonal,
	},
	"queue_entries":  {"host": impersonal, "mta": impersonal, "queue_id": impersonal, "seen_at": impersonal, "data": queued},
	"gaps":           {"noticed_at": impersonal, "source": impersonal, "path": impersonal, "why": impersonal},
	"unparsed_lines": {"mta": impersonal, "shape": sampled, "example": sampled, "last_read_at": impersonal},
	"meta":           {"name": impersonal},
	"export_cursors": {"name": impersonal, "moved_at": impersonal},
	"forgotten":      {"until": impersonal},
	"horizons":       {"kind": impersonal, "since": impersonal},

	"webhook_cursors":      {"name": impersonal, "moved_at": impersonal, "trouble": impersonal},
	"webhook_dead_letters": {"name": impersonal, "gave_up_at": owned, "error": impersonal},
}

// Scrubber takes what is to be forgotten out of a memory that another package
// keeps its own way, by means of scrub, which takes addresses out of a text
// and reports whether there was one. It returns whether it changed anything.
type Scrubber func(data []byte, scrub func(text string) (string, bool)) (rest []byte, changed bool, err error)

// Forgetting is whom to forget.
type Forgetting struct {
	People []bounce.Address
	// Spellings are others in which the addresses may be found in texts.
	Spellings []string
	Queue     Scrubber // of bounce.QueueEntry.Data
	Parser    Scrubber // of bounce.StreamState.Parser
	// LeaveNothing keeps not even the hashes by which logs of before are kept
	// out from now on.
	LeaveNothing bool
	DryRun       bool
	Now          time.Time
}

var errDryRun = errors.New("dry run")

// Forget takes every trace of people out of the database, and out of the files
// that hold it. Rows about them are deleted; other rows lose what names them.
// It returns what was found, by place, which a dry run does without a change.
func (s *Store) Forget(ctx context.Context, f *Forgetting) ([]query.Count, error) {
	f.Now = f.Now.UTC()
	// Deleted bytes are overwritten with zeros.
	if _, err := s.db.ExecContext(ctx, "PRAGMA secure_delete = ON"); err != nil {
		return nil, fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	var found []query.Count
	err := s.transaction(ctx, func(tx *Tx) error {
		var err error
		if found, err = tx.forget(f); err != nil {
			return err
		}
		if f.DryRun {
			return errDryRun
		}
		return nil
	})
	if f.DryRun && errors.Is(err, errDryRun) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	return found, s.sweepFiles(ctx, f)
}

func (tx *Tx) forget(f *Forgetting) ([]query.Count, error) {
	keys := make([]int64, len(f.People))
	for i, p := range f.People {
		keys[i] = p.Key()
	}
	if err := tx.freezeCrowdsOf(keys); err != nil {
		return nil, fmt.Errorf("crowds: %w", err)
	}
	var found []query.Count
	count := func(what string, n int) {
		if n > 0 {
			found = append(found, query.Count{Name: what, N: n})
		}
	}
	for _, table := range slices.Sorted(maps.Keys(places)) {
		if !holds(table, owned) {
			continue
		}
		result, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM "+table+" WHERE recipient_key IN (SELECT value FROM json_each(?))", sqldb.NumberList(keys))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		count(table+": rows deleted", int(n))
	}
	n, err := tx.forgetDeliveries(keys)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	count("deliveries: entries deleted", n)
	t := newTraces(f.People, f.Spellings)
	for _, table := range slices.Sorted(maps.Keys(places)) {
		changed, deleted, err := tx.scrubTable(table, t, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		count(table+": rows deleted that quoted it", deleted)
		count(table+": rows it was taken out of", changed)
	}
	if f.LeaveNothing {
		_, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM forgotten WHERE recipient_key IN (SELECT value FROM json_each(?))", sqldb.NumberList(keys))
		return found, err
	}
	return found, tx.each(len(keys), `
		INSERT INTO forgotten (recipient_key, until) VALUES (?, ?)
		ON CONFLICT (recipient_key) DO UPDATE SET until = max(until, excluded.until)`,
		func(i int, p *params) {
			p.Add(keys[i])
			p.Add(bounce.Stamp(f.Now))
		}, nil)
}

func holds(table string, c content) bool {
	for _, column := range places[table] {
		if column == c {
			return true
		}
	}
	return false
}

// forgetDeliveries takes the entries of the keys out of their buckets.
func (tx *Tx) forgetDeliveries(keys []int64) (n int, err error) {
	going := make(map[uint64]struct{}, len(keys))
	for _, key := range keys {
		going[uint64(key)] = struct{}{}
	}
	return tx.rewriteDeliveries(bucketsOfKeys(keys), func(key uint64, last int64) (int64, bool) {
		_, goes := going[key]
		return last, !goes
	})
}

// scrubTable looks through all rows of a table and takes out what they say about
// the people.
func (tx *Tx) scrubTable(table string, t *traces, f *Forgetting) (changed, deleted int, err error) {
	var columns []string
	for column, c := range places[table] {
		if c != impersonal && c != owned && c != packed {
			columns = append(columns, column)
		}
	}
	if len(columns) == 0 {
		return 0, 0, nil
	}
	slices.Sort(columns)
	var key []string
	err = sqldb.ScanAll(tx.ctx, tx.conn, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		key = append(key, name)
		return err
	}, table)
	if err != nil {
		return 0, 0, err
	}
	type row struct {
		key, values []any
		drop        bool
	}
	var rows []row // those that change
	err = sqldb.ScanAll(tx.ctx, tx.conn, "SELECT "+strings.Join(append(slices.Clone(columns), key...), ", ")+" FROM "+table, func(scan func(...any) error) error {
		texts, keys := make([]*string, len(columns)), make([]any, len(key))
		into := make([]any, 0, len(columns)+len(key))
		for i := range texts {
			into = append(into, &texts[i])
		}
		for i := range keys {
			into = append(into, &keys[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		r := row{key: keys, values: make([]any, len(columns))}
		touched := false
		for i, column := range columns {
			if texts[i] == nil {
				continue
			}
			value, hit, drop, err := scrubValue(places[table][column], *texts[i], t, f)
			if err != nil {
				return err
			}
			r.values[i], r.drop, touched = value, r.drop || drop, touched || hit
		}
		if touched {
			rows = append(rows, r)
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	where := " WHERE " + strings.Join(key, " = ? AND ") + " = ?"
	for _, r := range rows {
		if r.drop {
			deleted++
			_, err = tx.conn.ExecContext(tx.ctx, "DELETE FROM "+table+where, r.key...)
		} else {
			changed++
			_, err = tx.conn.ExecContext(tx.ctx, "UPDATE "+table+" SET "+strings.Join(columns, " = ?, ")+" = ?"+where, append(r.values, r.key...)...)
		}
		if err != nil {
			return changed, deleted, err
		}
	}
	return changed, deleted, nil
}

// scrubValue returns what is stored instead of a value.
func scrubValue(c content, text string, t *traces, f *Forgetting) (value any, hit, drop bool, err error) {
	switch c {
	case named, quoted, sampled:
		rest, hit := t.scrub(text)
		if hit && c == named {
			return nil, true, false, nil
		}
		return rest, hit, hit && c == sampled, nil
	case queued, parsed:
		scrubber := f.Queue
		if c == parsed {
			scrubber = f.Parser
		}
		rest, hit, err := scrubber([]byte(text), t.scrub)
		return rest, hit, false, err
	case impersonal, owned, packed:
	}
	return text, false, false, nil
}

// sweepFiles gets the bytes out of the files. What was deleted is overwritten
// already; but SQLite leaves copies behind where it once moved rows within the
// file, so the file is searched, and written again if it holds any.
func (s *Store) sweepFiles(ctx context.Context, f *Forgetting) error {
	if err := s.emptyWAL(ctx); err != nil {
		return err
	}
	t := newTraces(f.People, f.Spellings)
	// Looking for many would take longer than writing, and the name of a local
	// user may be a word that stands anywhere.
	if len(f.People) <= 20 && len(t.users) == 0 {
		left, err := s.fileHolds(t)
		if err != nil || !left {
			return err
		}
	}
	if _, err := s.db.ExecContext(ctx, "VACUUM"); err != nil {
		return fmt.Errorf("database %s: the rows are gone, but writing the file again without their remains: %w; run bouncetail forget again", s.file.Path, err)
	}
	return s.emptyWAL(ctx)
}

func (s *Store) emptyWAL(ctx context.Context) error {
	var busy, pages, moved int
	if err := s.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	if busy != 0 {
		return fmt.Errorf("database %s: the rows are gone, but another program is reading, and the file %s-wal still holds them; end it, and run bouncetail forget again", s.file.Path, s.file.Path)
	}
	return nil
}

// fileHolds reports whether the bytes of an address stand anywhere in the
// file. It may take one address for another that it ends with.
func (s *Store) fileHolds(t *traces) (bool, error) {
	var forms [][]byte
	longest := 0
	for domain, locals := range t.locals {
		for _, local := range locals {
			for _, form := range []string{local + "@" + domain, local + "=" + domain, domain + "=" + local, local + "%40" + domain} {
				forms = append(forms, []byte(form))
				longest = max(longest, len(form))
			}
		}
	}
	file := io.NewSectionReader(s.file, 0, math.MaxInt64)
	const size = 1 << 20
	buffer := make([]byte, 0, size+longest)
	for {
		n, err := io.ReadFull(file, buffer[len(buffer):len(buffer)+size])
		buffer = buffer[:len(buffer)+n]
		lower := []byte(bounce.LowerASCII(string(buffer)))
		for _, form := range forms {
			if bytes.Contains(lower, form) {
				return true, nil
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		buffer = buffer[:copy(buffer, buffer[len(buffer)-min(longest, len(buffer)):])]
	}
}
