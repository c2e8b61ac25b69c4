package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/dbtest"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openNew(t *testing.T) (s *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "b.db")
	s = open(t, path)
	t.Cleanup(func() { s.Close() })
	return s, path
}

func save(t *testing.T, s *Store, b *bounce.Batch) int {
	t.Helper()
	b.Domains = []string{"example.com"} // the one of to
	n, err := s.Save(t.Context(), b)
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return n
}

// saveTogether saves batches in one transaction.
func saveTogether(t *testing.T, s *Store, batches ...*bounce.Batch) {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		b.Domains = []string{"example.com"} // the one of to
		if _, err := tx.Add(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// isTemporary reports what the pipeline asks an error.
func isTemporary(err error) bool {
	var e *dbfile.Error
	return errors.As(err, &e) && e.Temporary()
}

func id(what string) (id bounce.EventID) {
	sum := sha256.Sum256([]byte(what))
	copy(id[:], sum[:])
	return id
}

func to(local string) bounce.Address {
	return bounce.Address{Normal: local + "@example.com", Domain: "example.com"}
}

// failed is a failure of an address, minutes after noon.
func failed(local string, minute int, outcome bounce.Outcome, suppress bool) bounce.Record {
	v := bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender, Disposition: bounce.Retry, Rule: "test"}
	if suppress {
		v = bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"}
	}
	return bounce.Record{
		Delivery: bounce.Delivery{ID: id(fmt.Sprint(local, minute, outcome)), At: day.Add(time.Duration(minute) * time.Minute), MTA: bounce.Postfix, Outcome: outcome},
		Verdict:  v,
		To:       to(local),
	}
}

func succeeded(local string, minute int) bounce.Success {
	return bounce.Success{ID: id(fmt.Sprint(local, minute, "sent")), At: day.Add(time.Duration(minute) * time.Minute).UnixMilli(), Key: to(local).Key()}
}

// dump returns the rows of a query, a string each.
func dump(t *testing.T, db sqldb.Querier, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, values := range dbtest.All[any](t, rows) {
		row := fmt.Sprintln(values...) // with a space between all
		all = append(all, strings.TrimSuffix(row, "\n"))
	}
	return all
}

const (
	recipientsQuery = `SELECT recipient, state, category, reason, first_failure_at, last_failure_at, coalesce(last_delivery_at, '-'),
		permanent_count, retry_count, coalesce(bad_since, '-') FROM recipients ORDER BY recipient`
	dailyQuery = "SELECT day, domain, sent, deferred, bounced, expired FROM daily_counts ORDER BY day, domain"
)

func TestSavingABatchAgainChangesNothing(t *testing.T) {
	s, _ := openNew(t)
	b := &bounce.Batch{
		Records:   bounce.NewRecords(failed("a", 1, bounce.Bounced, true), failed("b", 2, bounce.Deferred, false)),
		Successes: []bounce.Success{succeeded("b", 3), succeeded("c", 4)},
	}
	if got := save(t, s, b); got != 2 {
		t.Errorf("Save: %d new records, want 2", got)
	}
	everything := func() []string {
		return slices.Concat(dump(t, s.db, "SELECT * FROM bounces"), dump(t, s.db, "SELECT * FROM recipients"),
			dump(t, s.db, dailyQuery), dump(t, s.db, "SELECT * FROM meta"))
	}
	before := everything()
	if got := save(t, s, b); got != 0 {
		t.Errorf("Save again: %d new records, want 0", got)
	}
	if after := everything(); !slices.Equal(before, after) {
		t.Errorf("Save again changed the database:\n%q\n%q", before, after)
	}
}

func TestStateOfAnAddress(t *testing.T) {
	for name, c := range map[string]struct {
		records   []bounce.Record
		successes []bounce.Success
		want      bounce.State
		badSince  string // minute
	}{
		"a failure that suppresses":              {records: []bounce.Record{failed("a", 1, bounce.Bounced, true)}, want: bounce.StateBad, badSince: "12:01"},
		"bad since the first of two":             {records: []bounce.Record{failed("a", 1, bounce.Bounced, true), failed("a", 5, bounce.Bounced, true)}, want: bounce.StateBad, badSince: "12:01"},
		"a deferral":                             {records: []bounce.Record{failed("a", 1, bounce.Deferred, false)}, want: bounce.StateFailing},
		"a bounce that is not about the address": {records: []bounce.Record{failed("a", 1, bounce.Bounced, false)}, want: bounce.StateFailing},
		"a delivery after a deferral":            {records: []bounce.Record{failed("a", 1, bounce.Deferred, false)}, successes: []bounce.Success{succeeded("a", 2)}, want: bounce.StateOK},
		"a delivery after it was bad":            {records: []bounce.Record{failed("a", 1, bounce.Bounced, true)}, successes: []bounce.Success{succeeded("a", 2)}, want: bounce.StateOK},
		"a delivery before it went bad":          {records: []bounce.Record{failed("a", 3, bounce.Bounced, true)}, successes: []bounce.Success{succeeded("a", 2)}, want: bounce.StateBad, badSince: "12:03"},
		"bad again after a delivery":             {records: []bounce.Record{failed("a", 1, bounce.Bounced, true), failed("a", 5, bounce.Bounced, true)}, successes: []bounce.Success{succeeded("a", 3)}, want: bounce.StateBad, badSince: "12:05"},
		"a deferral after a delivery":            {records: []bounce.Record{failed("a", 1, bounce.Bounced, true), failed("a", 5, bounce.Deferred, false)}, successes: []bounce.Success{succeeded("a", 3)}, want: bounce.StateFailing},
		"a deferral while it is bad":             {records: []bounce.Record{failed("a", 1, bounce.Bounced, true), failed("a", 5, bounce.Deferred, false)}, want: bounce.StateBad, badSince: "12:01"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := openNew(t)
			save(t, s, &bounce.Batch{Records: bounce.NewRecords(c.records...), Successes: c.successes})
			since := "-"
			if c.badSince != "" {
				since = "2026-11-23T" + c.badSince + ":00.000Z"
			}
			want := []string{fmt.Sprintf("%s %s", c.want, since)}
			if got := dump(t, s.db, "SELECT state, coalesce(bad_since, '-') FROM recipients"); !slices.Equal(got, want) {
				t.Errorf("recipients: got %q, want %q", got, want)
			}
		})
	}
}

// The tables that admins read must follow from what happened alone, whatever
// the order in which logs are read and however they are cut into batches.
func TestOrderOfReadingDoesNotMatter(t *testing.T) {
	for seed := range volume.Of[uint64](10, 30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		type event struct {
			record  *bounce.Record
			success *bounce.Success
		}
		var events []event
		for minute := range 60 {
			local := string(rune('a' + rng.IntN(6)))
			switch rng.IntN(3) {
			case 0:
				s := succeeded(local, minute)
				events = append(events, event{success: &s})
			case 1:
				r := failed(local, minute, bounce.Bounced, rng.IntN(2) == 0)
				events = append(events, event{record: &r})
			case 2:
				r := failed(local, minute, bounce.Deferred, false)
				events = append(events, event{record: &r})
			}
		}
		var first []string
		for round := range 4 {
			s, _ := openNew(t)
			if round > 0 {
				rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			}
			var batches []*bounce.Batch
			for rest := events; len(rest) > 0; {
				n := min(1+rng.IntN(20), len(rest))
				b := &bounce.Batch{}
				for _, ev := range rest[:n] {
					if ev.record != nil {
						b.Records.Add(ev.record)
					} else {
						b.Successes = append(b.Successes, *ev.success)
					}
				}
				rest = rest[n:]
				batches = append(batches, b)
				if len(rest) == 0 || rng.IntN(2) == 0 {
					saveTogether(t, s, batches...)
					batches = nil
				}
			}
			got := slices.Concat(dump(t, s.db, recipientsQuery), dump(t, s.db, dailyQuery))
			if round == 0 {
				first = got
			} else if !slices.Equal(got, first) {
				t.Fatalf("seed %d, round %d:\ngot  %q\nwant %q", seed, round, got, first)
			}
			s.Close()
		}
	}
}

func TestEveryChangeOfARecipientGrowsSeq(t *testing.T) {
	s, _ := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true), failed("b", 1, bounce.Bounced, true))})
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 2, bounce.Bounced, true))})
	got := dump(t, s.db, "SELECT recipient, seq FROM recipients ORDER BY seq")
	if want := []string{"b@example.com 2", "a@example.com 3"}; !slices.Equal(got, want) {
		t.Errorf("seq: got %q, want %q", got, want)
	}
}

func TestPositionsAndQueueComeBackAsSaved(t *testing.T) {
	s, path := openNew(t)
	kept := bounce.StreamState{Position: bounce.Position{
		Stream: 1, Source: "/var/log/mail.log", Path: "/var/log/mail.log.1", Device: 1 << 63, Inode: 7, Offset: 99, Head: 1<<64 - 1, Tail: 5,
		Cursor: "s=1;i=2", Closed: true, UpdatedAt: day.Add(time.Hour),
	}, Parser: bounce.ParserState{Data: []byte("2026"), Anchor: day}}
	gone := bounce.StreamState{Position: bounce.Position{Stream: 2, UpdatedAt: day}}
	entry := bounce.QueueEntry{Host: "mx", MTA: bounce.Exim, QueueID: "1x", SeenAt: day, Data: []byte(`{"s":"a"}`)}
	ended := bounce.QueueEntry{Host: "mx", MTA: bounce.Exim, QueueID: "2x", SeenAt: day, Data: []byte("{}")}
	save(t, s, &bounce.Batch{Positions: []bounce.StreamState{kept, gone}, Queue: []bounce.QueueEntry{entry, ended}})
	gone.Gone, ended.Data = true, nil
	save(t, s, &bounce.Batch{Positions: []bounce.StreamState{gone}, Queue: []bounce.QueueEntry{ended}})
	s.Close()

	s = open(t, path)
	defer s.Close()
	positions, queue, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []bounce.StreamState{kept}; !reflect.DeepEqual(positions, want) {
		t.Errorf("Load: positions %+v, want %+v", positions, want)
	}
	if want := []bounce.QueueEntry{entry}; !reflect.DeepEqual(queue, want) {
		t.Errorf("Load: queue %+v, want %+v", queue, want)
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	s, _ := openNew(t)
	limit := func(pages int) {
		if _, err := s.db.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	b := &bounce.Batch{Positions: []bounce.StreamState{{Position: bounce.Position{Stream: 1, Offset: 10}}}}
	for i := range 2000 {
		b.Records.Add(new(failed(fmt.Sprint("user", i), i, bounce.Bounced, true)))
	}
	limit(40) // as SQLite answers when the disk is full
	_, err := s.Save(t.Context(), b)
	if !isTemporary(err) {
		t.Fatalf("Save on a full disk: %v, want a temporary error", err)
	}
	if got := dump(t, s.db, "SELECT count(*) FROM bounces UNION ALL SELECT count(*) FROM positions"); !slices.Equal(got, []string{"0", "0"}) {
		t.Errorf("a batch was saved in part: %q rows", got)
	}
	limit(1 << 30)
	if n := save(t, s, b); n != 2000 {
		t.Errorf("Save with room again: %d new records, want 2000", n)
	}
}

// Batches of one transaction are saved whole or not at all.
func TestBatchesOfOneTransaction(t *testing.T) {
	limit := func(s *Store, pages int) {
		if _, err := s.db.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	batch := func(n int) *bounce.Batch {
		b := &bounce.Batch{Positions: []bounce.StreamState{{Position: bounce.Position{Stream: 1, Offset: int64(n)}}}}
		for i := range 500 {
			b.Records.Add(new(failed(fmt.Sprint("user", i), 1000*n+i, bounce.Bounced, true)))
		}
		return b
	}
	const counts = "SELECT count(*) FROM bounces UNION ALL SELECT sum(permanent_count) FROM recipients UNION ALL SELECT max(offset) FROM positions"
	s, path := openNew(t)
	r := reader(t, path)
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		b := batch(n)
		if got, err := tx.Add(b); err != nil || got != 500 {
			t.Errorf("batch %d: %d new records, %v, want 500", n, got, err)
		}
		b.Records.Reset() // nothing of a batch is needed after Add
		if got, want := dump(t, r.Querier(), counts), []string{"0", "<nil>", "<nil>"}; !slices.Equal(got, want) {
			t.Errorf("before the end there are %q, want %q", got, want)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, r.Querier(), counts), []string{"1500", "1500", "2"}; !slices.Equal(got, want) {
		t.Errorf("after Commit there are %q, want %q", got, want)
	}

	before := dump(t, s.db, "SELECT * FROM recipients")
	var pages int
	if err := s.db.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit(s, pages+45) // room for one batch, not for two
	tx, err = s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Add(batch(3)); err != nil {
		t.Fatal(err)
	}
	_, err = tx.Add(batch(4))
	if err == nil {
		err = tx.Commit()
	} else if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if !isTemporary(err) {
		t.Errorf("a full disk at the second batch: %v, want a temporary error", err)
	}
	limit(s, 1<<30)
	if after := dump(t, s.db, "SELECT * FROM recipients"); !slices.Equal(before, after) {
		t.Error("a failed transaction has changed recipients")
	}
	saveTogether(t, s, batch(3), batch(4))
	if got, want := dump(t, r.Querier(), counts), []string{"2500", "2500", "4"}; !slices.Equal(got, want) {
		t.Errorf("with room again there are %q, want %q", got, want)
	}
}

func TestWhatMayNotBeWrittenIsRefusedWithTheNextStep(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	if err := os.WriteFile(at("text"), []byte(strings.Repeat("no database\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	alter := func(name string, make bool, statements string) {
		if make {
			open(t, at(name)).Close()
		}
		db, err := sql.Open("sqlite3", at(name))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), statements); err != nil {
			t.Fatal(err)
		}
	}
	alter("foreign", false, "CREATE TABLE customers (name)")
	alter("newer", true, "PRAGMA user_version = 99")
	held := open(t, at("held"))
	defer held.Close()
	damage(t, at("damaged"))
	if err := os.Symlink("held", at("link")); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), at("link"), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "database "+at("held")+" is being written") {
		if err == nil {
			s.Close()
		}
		t.Errorf("Open of a link to a database that is written: %v", err)
	}

	for name, want := range map[string]string{
		"text":          "is not a SQLite database; name another file with --db",
		"foreign":       "belongs to another program; name another file with --db",
		"newer":         "has schema 99, made by a newer bouncetail",
		"held":          fmt.Sprintf("is being written by bouncetail with process id %d; stop that one first", os.Getpid()),
		"damaged":       "is damaged",
		"no/such/place": "does not exist; create it",
	} {
		s, err := Open(t.Context(), at(name), slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at(cmp.Or(strings.TrimSuffix(name, "/place"), name))) {
			t.Errorf("Open(%s): %v, want %q", name, err, want)
		}
	}
}

// damage makes a database whose writer was killed and whose pages were
// overwritten since.
func damage(t *testing.T, path string) {
	s := open(t, path)
	b := &bounce.Batch{}
	for i := range 3000 {
		b.Records.Add(new(failed(fmt.Sprint("user", i), i, bounce.Bounced, true)))
	}
	save(t, s, b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := sqldb.Connect(path, "rw", "_journal_mode=TRUNCATE")
	if _, err := db.ExecContext(t.Context(), "UPDATE meta SET value = 0 WHERE name = 'clean'"); err != nil { // no orderly stop
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("garbage!", 4096)), 40*4096); err != nil {
		t.Fatal(err)
	}
}

func TestAReplacedDatabaseIsNoticed(t *testing.T) {
	s, path := openNew(t)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Save(t.Context(), &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true))})
	if err == nil || !strings.Contains(err.Error(), "was removed or replaced while it was in use") || isTemporary(err) {
		t.Errorf("Save into a removed database: %v", err)
	}
}

func TestFilesAreForOwnerAndGroupAlone(t *testing.T) {
	s, path := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true))})
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got&0o007 != 0 {
			t.Errorf("%s has mode %o", name, got)
		}
	}
}

func TestOneExportHoldsACursorAtATime(t *testing.T) {
	s, path := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true))})
	c, err := outbox.OpenCursor(t.Context(), path, "crm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outbox.OpenCursor(t.Context(), path, "crm"); err == nil || !strings.Contains(err.Error(), "is in use by another export") {
		t.Errorf("OpenCursor twice: %v", err)
	}
	if err := c.Move(t.Context(), 1, day); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, err = outbox.OpenCursor(t.Context(), path, "crm")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Seq != 1 {
		t.Errorf("cursor at %d, want 1", c.Seq)
	}
	r := reader(t, path)
	n := 0
	last, err := r.Recipients(t.Context(), query.Filter{Changes: true, AfterSeq: c.Seq}, func(*bounce.Recipient) error { n++; return nil })
	if err != nil || n != 0 || last != 1 {
		t.Errorf("Recipients behind the cursor: %d rows, last change %d, %v; want none, 1", n, last, err)
	}
}

func reader(t *testing.T, path string) *query.Reader {
	t.Helper()
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestFilterChoosesRecipients(t *testing.T) {
	s, path := openNew(t)
	save(t, s, &bounce.Batch{
		Records:   bounce.NewRecords(failed("bad", 1, bounce.Bounced, true), failed("slow", 2, bounce.Deferred, false), failed("fine", 3, bounce.Deferred, false)),
		Successes: []bounce.Success{succeeded("fine", 4)},
	})
	r := reader(t, path)
	for _, c := range []struct {
		filter query.Filter
		want   string
	}{
		{query.Filter{}, "fine slow bad"},
		{query.Filter{State: "bad"}, "bad"},
		{query.Filter{State: "ok"}, "fine"},
		{query.Filter{Category: "rate-limit"}, "fine slow"},
		{query.Filter{Domain: "example.com", Limit: 1}, "fine"},
		{query.Filter{Domain: "example.org"}, ""},
		{query.Filter{Since: bounce.Stamp(day.Add(2 * time.Minute))}, "fine slow"},
	} {
		var got []string
		_, err := r.Recipients(t.Context(), c.filter, func(row *bounce.Recipient) error {
			got = append(got, strings.TrimSuffix(row.Recipient, "@example.com"))
			return nil
		})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("Recipients(%+v): %q, %v; want %q", c.filter, got, err, c.want)
		}
	}
}

func TestReadersAreRefusedWithTheNextStep(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "text"), []byte(strings.Repeat("no database\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing": "does not exist; bouncetail run or bouncetail import makes it",
		"text":    "is not a database of bouncetail",
	} {
		if _, err := query.OpenReader(context.Background(), filepath.Join(folder, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("query.OpenReader(%s): %v, want %q", name, err, want)
		}
	}
}

// Prepared statements hold a connection, and with it its locks.
func TestCloseLetsGoOfThePreparedStatements(t *testing.T) {
	s, path := openNew(t)
	for i := range 3 {
		at := day.Add(time.Duration(i) * time.Hour)
		save(t, s, &bounce.Batch{Successes: []bounce.Success{{ID: id(at.String()), At: at.UnixMilli(), Key: to("jane").Key()}}})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("SKIPPED, open files are not looked at: %v", err)
	}
	for _, fd := range fds {
		if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(name, path) {
			t.Errorf("after Close %s is still open", name)
		}
	}
}

func TestOpenThatFailsLeavesNoDatabase(t *testing.T) {
	for name, open := range map[string]func(context.Context, string, *slog.Logger) (*Store, error){"Open": Open, "OpenToBuild": OpenToBuild} {
		path := filepath.Join(t.TempDir(), "b.db")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := open(ctx, path, slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that the context is over", name, err)
		}
		left, err := filepath.Glob(path + "*")
		if err != nil || !slices.Equal(left, []string{path + ".lock"}) {
			t.Errorf("%s left %q, %v", name, left, err)
		}
	}
}
