package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/sqlite/scrub"
)

const marker = "forget.me@example.com"

var person = bounce.Address{Normal: marker, Domain: "example.com"}

// plain stands for the scrubbers of other packages: it takes the whole memory
// for a text.
func plain(data []byte, scrub func(string) (string, bool)) ([]byte, bool, error) {
	rest, hit := scrub(string(data))
	return []byte(rest), hit, nil
}

func forget(t *testing.T, s *Store, change func(*Forgetting)) []query.Count {
	t.Helper()
	f := &Forgetting{People: []bounce.Address{person}, Queue: plain, Parser: plain, Now: day.Add(24 * time.Hour)}
	if change != nil {
		change(f)
	}
	found, err := s.Forget(t.Context(), f)
	if err != nil {
		t.Fatalf("Forget: %v", err)
	}
	return found
}

// quoting is a batch with the address wherever one may stand, beside others'
// records.
func quoting() *bounce.Batch {
	own := failed("forget.me", 1, bounce.Bounced, true)
	own.To.Logged = "Forget.Me@Example.COM"
	own.Reply.Text = "550 <" + marker + "> unknown"
	sent := failed("other", 2, bounce.Bounced, true)
	sent.Sender, sent.HasSender = "Forget.me@example.com", true
	alias := failed("third", 3, bounce.Deferred, false)
	alias.OriginalRecipient = marker
	alias.Reply.Text = "450 try again, " + marker
	alias.URL, alias.MessageID = "https://help.example/?to=forget.me%40example.com", "1."+"x@host.example"
	return &bounce.Batch{
		Records:   bounce.NewRecords(own, sent, alias, failed("kept", 4, bounce.Deferred, false)),
		Successes: []bounce.Success{{ID: id("x"), At: day.UnixMilli(), Key: person.Key()}, succeeded("kept", 1)},
		Queue:     []bounce.QueueEntry{{Host: "mx", MTA: bounce.Postfix, QueueID: "1", SeenAt: day, Data: []byte("to " + marker)}},
		Positions: []bounce.StreamState{{Position: bounce.Position{Stream: 1, UpdatedAt: day}, Parser: bounce.ParserState{Data: []byte("a piece: " + marker), Anchor: day}}},
		Unparsed:  []bounce.Unparsed{{MTA: bounce.Postfix, Shape: "to " + marker, Lines: []bounce.EventID{id("unparsed")}, Example: marker}, {MTA: bounce.Postfix, Shape: "kept", Lines: []bounce.EventID{id("other")}, Example: "kept"}},
	}
}

func TestEveryColumnIsOneThatForgettingKnows(t *testing.T) {
	s, _ := openNew(t)
	columns := dump(t, s.db, `
		SELECT m.name || '.' || c.name
		FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND c.type NOT IN ('INTEGER')`)
	if len(columns) < 60 {
		t.Fatalf("%d columns of text or bytes found: %q", len(columns), columns)
	}
	known := make(map[string]bool)
	for table, content := range privacy.Places {
		for column := range content {
			known[table+"."+column] = true
		}
	}
	for _, column := range columns {
		if !known[column] {
			t.Errorf("%s is not in privacy.Places: decide what it may reveal about a person, and so what bouncetail forget does with it", column)
		}
		delete(known, column)
	}
	for column := range known {
		t.Errorf("%s is in privacy.Places and not in the schema", column)
	}
	// What is kept under the number of an address is about it.
	for _, table := range dump(t, s.db, `
		SELECT m.name
		FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.name = 'recipient_key' AND m.name <> 'forgotten'`) {
		if !privacy.Places[table].Holds(privacy.Owned) {
			t.Errorf("table %s has a recipient_key and no column that is Owned", table)
		}
	}
}

// Every column that may hold an address gets one, alone in a row of its own
// beside which everything else is harmless; none may be left.
func TestForgettingLeavesNoColumnOut(t *testing.T) {
	for table, columns := range privacy.Places {
		for column, holds := range columns {
			if holds == privacy.Impersonal || holds == privacy.Packed {
				continue
			}
			t.Run(table+"."+column, func(t *testing.T) {
				s, _ := openNew(t)
				insertMarked(t, s, table, column)
				found := forget(t, s, nil)
				if len(found) == 0 {
					t.Errorf("Forget found nothing")
				}
				for _, row := range dump(t, s.db, "SELECT "+column+" FROM "+table) {
					if strings.Contains(row, marker) {
						t.Errorf("left: %s", row)
					}
				}
			})
		}
	}
}

// insertMarked inserts a row with the address in one column and values that
// fit in the others.
func insertMarked(t *testing.T, s *Store, table, marked string) {
	t.Helper()
	var names, marks []string
	var values []any
	err := sqldb.ScanAll(t.Context(), s.db, "SELECT name, type FROM pragma_table_info(?)", func(scan func(...any) error) error {
		var name, typ string
		if err := scan(&name, &typ); err != nil {
			return err
		}
		var value any = "x"
		switch {
		case name == marked:
			value = marker
		case name == "recipient_key" && privacy.Places[table][marked] == privacy.Owned:
			value = person.Key()
		case typ == "INTEGER":
			value = 1
		}
		names, marks, values = append(names, name), append(marks, "?"), append(values, value)
		return nil
	}, table)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(t.Context(), "INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...); err != nil {
		t.Fatal(err)
	}
}

func TestForgettingKeepsWhatIsOfOthers(t *testing.T) {
	s, path := openNew(t)
	save(t, s, quoting())
	counts := dump(t, s.db, dailyQuery)
	found := forget(t, s, nil)
	want := []query.Count{
		{Name: "bounces: rows deleted", N: 1},
		{Name: "recipients: rows deleted", N: 1},
		{Name: "deliveries: entries deleted", N: 1},
		{Name: "bounces: rows it was taken out of", N: 2},
		{Name: "positions: rows it was taken out of", N: 1},
		{Name: "queue_entries: rows it was taken out of", N: 1},
		{Name: "unparsed_lines: rows deleted that quoted it", N: 1},
	}
	if !slices.Equal(found, want) {
		t.Errorf("Forget: %v, want %v", found, want)
	}
	got := dump(t, s.db, "SELECT recipient, coalesce(sender, 'NULL'), coalesce(original_recipient, 'NULL'), coalesce(reply, '-'), coalesce(url, '-') FROM bounces ORDER BY id")
	if want := []string{
		"other@example.com NULL NULL - -",
		"third@example.com NULL NULL 450 try again, [forgotten] https://help.example/?to=[forgotten]",
		"kept@example.com NULL NULL - -",
	}; !slices.Equal(got, want) {
		t.Errorf("bounces: got %q, want %q", got, want)
	}
	if got := dump(t, s.db, dailyQuery); !slices.Equal(got, counts) {
		t.Errorf("daily counts: got %q, want %q", got, counts)
	}
	if got, want := dump(t, s.db, "SELECT recipient FROM recipients ORDER BY 1"), []string{"kept@example.com", "other@example.com", "third@example.com"}; !slices.Equal(got, want) {
		t.Errorf("recipients: got %q, want %q", got, want)
	}
	if left := filesThatHold(t, path); len(left) > 0 {
		t.Errorf("the address is still in %q", left)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := filesThatHold(t, path); len(left) > 0 {
		t.Errorf("after closing, the address is still in %q", left)
	}
}

// filesThatHold returns the files of the database in which the address, or the
// number that stands for it in deliveries, is found.
func filesThatHold(t *testing.T, path string) []string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var holding []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.ToLower(data)
		if bytes.Contains(data, []byte(marker)) || bytes.Contains(data, []byte("forget.me%40example.com")) {
			holding = append(holding, filepath.Base(file))
		}
	}
	return holding
}

// SQLite leaves copies of rows behind where it once split a page: the file is
// written again then.
func TestForgettingClearsWhatTheFileKeepsOfOldPages(t *testing.T) {
	s, path := openNew(t)
	var people []bounce.Address
	for round := range 30 {
		b := &bounce.Batch{}
		for i := range 200 {
			// Recipients are kept in the order of their spelling, so that rows go
			// between others, and pages are split.
			local := fmt.Sprintf("%02d.user%d", i*7%100, round)
			r := failed(local, i, bounce.Bounced, true)
			r.Reply.Text = "550 5.1.1 <" + r.To.Normal + "> unknown"
			b.Records.Add(&r)
			if i%40 == 0 && round%3 == 0 && len(people) < 20 {
				people = append(people, r.To)
			}
		}
		save(t, s, b)
	}
	if err := scrub.EmptyWAL(t.Context(), s.db, s.file.Path); err != nil {
		t.Fatal(err)
	}
	forget(t, s, func(f *Forgetting) { f.People = people })
	for _, file := range []string{path, path + "-wal"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			if bytes.Contains(data, []byte(p.Normal)) {
				t.Errorf("%s still holds %s", filepath.Base(file), p.Normal)
			}
		}
	}
	if got := dump(t, s.db, "PRAGMA quick_check"); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("quick_check: %q", got)
	}
}

func TestADryRunOfForgettingChangesNothing(t *testing.T) {
	s, _ := openNew(t)
	save(t, s, quoting())
	everything := func() (all []string) {
		for _, table := range dump(t, s.db, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
			all = append(all, dump(t, s.db, "SELECT * FROM "+table)...)
		}
		return all
	}
	before := everything()
	dry := forget(t, s, func(f *Forgetting) { f.DryRun = true })
	if after := everything(); !slices.Equal(before, after) {
		t.Errorf("a dry run changed\n%q\nto\n%q", before, after)
	}
	if wet := forget(t, s, nil); !slices.Equal(dry, wet) {
		t.Errorf("a dry run found %v, then %v was found", dry, wet)
	}
}

func TestALogOfBeforeDoesNotBringTheForgottenBack(t *testing.T) {
	s, path := openNew(t)
	s.ScrubQueue = plain
	b := quoting()
	b.Queue[0].Data = []byte(marker) // as a deferral names its recipient
	save(t, s, b)
	forget(t, s, nil)
	state := func() []string {
		return slices.Concat(dump(t, s.db, recipientsQuery), dump(t, s.db, "SELECT * FROM bounces"), dump(t, s.db, dailyQuery), dump(t, s.db, "SELECT * FROM deliveries"))
	}
	before := state()
	b.Positions = nil
	if n := save(t, s, b); n != 0 {
		t.Errorf("Save of what was forgotten: %d new records", n)
	}
	if after := state(); !slices.Equal(before, after) {
		t.Errorf("reading again changed\n%q\nto\n%q", before, after)
	}
	if err := scrub.EmptyWAL(t.Context(), s.db, s.file.Path); err != nil {
		t.Fatal(err)
	}
	if left := filesThatHold(t, path); len(left) > 0 {
		t.Errorf("the address is in %q again", left)
	}

	// What happens later is kept as ever.
	later := failed("forget.me", 2*24*60, bounce.Bounced, true)
	if n := save(t, s, &bounce.Batch{Records: bounce.NewRecords(later)}); n != 1 {
		t.Errorf("a failure after the forgetting: %d new records, want 1", n)
	}
	if got := dump(t, s.db, "SELECT permanent_count, coalesce(last_delivery_at, '-') FROM recipients WHERE recipient = '"+marker+"'"); !slices.Equal(got, []string{"1 -"}) {
		t.Errorf("the row after the forgetting: %q", got)
	}

	// Without the hash, the log of before brings all back.
	forget(t, s, func(f *Forgetting) { f.LeaveNothing = true })
	if got := dump(t, s.db, "SELECT count(*) FROM forgotten"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("%q hashes are left", got)
	}
	if n := save(t, s, b); n != 1 {
		t.Errorf("Save after leaving nothing: %d new records, want 1", n)
	}
}

// Once the records reach no further back than the forgetting, nothing needs
// the hash any more.
func TestTheHashOfTheForgottenGoesWithItsAge(t *testing.T) {
	s, _ := openNew(t)
	b := quoting()
	save(t, s, b)
	forget(t, s, nil)
	left := func(after int) string {
		prune(t, s, Retention{Bounces: 30}, day.AddDate(0, 0, after))
		return dump(t, s.db, "SELECT count(*) FROM forgotten")[0]
	}
	if before, after := left(20), left(40); before != "1" || after != "0" {
		t.Errorf("%s hashes after 20 days and %s after 40, want 1 and 0", before, after)
	}
	if n := save(t, s, b); n != 0 {
		t.Errorf("Save of what was forgotten: %d new records", n)
	}
}

func TestForgettingSaysWhenAReaderHoldsTheOldPages(t *testing.T) {
	s, path := openNew(t)
	save(t, s, quoting())
	tx, err := sqldb.Connect(path, "ro", "").BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM bounces").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Forget(t.Context(), &Forgetting{People: []bounce.Address{person}, Queue: plain, Parser: plain, Now: day})
	if err == nil || !strings.Contains(err.Error(), "another program reads the database") {
		t.Errorf("Forget beside a reader: %v", err)
	}
}

func TestEntriesOfDeliveriesAreForgottenOneByOne(t *testing.T) {
	s, _ := openNew(t)
	b := &bounce.Batch{}
	for i := range 5000 {
		b.Successes = append(b.Successes, succeeded(fmt.Sprint("user", i), i))
	}
	save(t, s, b)
	forget(t, s, func(f *Forgetting) { f.People = []bounce.Address{to("user7"), to("user8")} })
	n := 0
	for _, entries := range deliveryBuckets(t, s) {
		for ; len(entries) > 0; entries = entries[16:] {
			n++
			if key := int64(binary.BigEndian.Uint64(entries)); key == to("user7").Key() || key == to("user8").Key() {
				t.Errorf("the entry of %d is still there", key)
			}
		}
	}
	if n != 4998 {
		t.Errorf("%d entries are left of 5000, want 4998", n)
	}
}

func deliveryBuckets(t *testing.T, s *Store) (buckets [][]byte) {
	t.Helper()
	err := sqldb.ScanAll(t.Context(), s.db, "SELECT entries FROM deliveries ORDER BY bucket", func(scan func(...any) error) error {
		var entries []byte
		err := scan(&entries)
		buckets = append(buckets, entries)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return buckets
}
