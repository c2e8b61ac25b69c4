package sqlite

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// leaves calls each for every field that is no struct of ours, with its name and
// those of the structs around it.
func leaves(v reflect.Value, path string, each func(path string, f reflect.Value)) {
	for field, f := range v.Fields() {
		if !field.IsExported() {
			continue
		}
		name := strings.TrimPrefix(path+"."+field.Name, ".")
		if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]() {
			leaves(f, name, each)
		} else {
			each(name, f)
		}
	}
}

// fill gives every field another value, and returns what is stored of each.
func fill(t *testing.T, v reflect.Value) map[string]string {
	stored := make(map[string]string)
	n := 0
	leaves(v, "", func(path string, f reflect.Value) {
		n++
		switch x := f.Addr().Interface().(type) {
		case *time.Time:
			*x = day.Add(time.Duration(n) * time.Millisecond)
			stored[path] = bounce.Stamp(*x)
		case *time.Duration:
			*x = time.Duration(n) * time.Second
			stored[path] = fmt.Sprint(n)
		case *bounce.EventID:
			x[3] = byte(n)
			stored[path] = x.String()
		case **string:
			*x = new(fmt.Sprint("text ", n))
			stored[path] = **x
		case **int64:
			*x = new(int64(n))
			stored[path] = fmt.Sprint(n)
		case *[]byte:
			*x = fmt.Appendf(nil, "text %d", n)
			stored[path] = string(*x)
		default:
			switch {
			case f.Kind() == reflect.String:
				f.SetString(fmt.Sprint("text ", n))
				stored[path] = f.String()
			case f.Kind() == reflect.Bool:
				f.SetBool(true)
				stored[path] = "1"
			case f.CanInt():
				f.SetInt(int64(n))
				stored[path] = fmt.Sprint(n)
			case f.CanUint():
				f.SetUint(uint64(n))
				stored[path] = fmt.Sprint(n)
			default:
				t.Fatalf("%s is of a type that is not stored: %s", path, f.Type())
			}
		}
	})
	return stored
}

var capital = regexp.MustCompile(`([a-z])([A-Z])`)

// columnOf names the column of a field: its own name in snake case, unless names
// has another. An empty name is a field that is not stored.
func columnOf(path string, names map[string]string) string {
	if name, special := names[path]; special {
		return name
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	return strings.ToLower(capital.ReplaceAllString(name, "${1}_$2"))
}

// roundTrip checks that each field is stored under the name of its column, and comes
// back from there.
func roundTrip[T any](t *testing.T, what string, c sqldb.Columns[T], row *T, stored, names map[string]string, query func(column string) string, db sqldb.Querier) {
	t.Helper()
	known := make(map[string]bool)
	for path, want := range stored {
		column := columnOf(path, names)
		if column == "" {
			continue
		}
		known[column] = true
		var got string
		if err := db.QueryRowContext(t.Context(), query(column)).Scan(&got); err != nil || got != want {
			t.Errorf("%s: column %s holds %q (%v), want %q of the field %s", what, column, got, err, want, path)
		}
	}
	for i := range c {
		if !known[c[i].Name] && names[c[i].Name] == "" {
			t.Errorf("%s: column %s is of no field", what, c[i].Name)
		}
	}
	var back T
	if err := c.Scan(&back, db.QueryRowContext(t.Context(), query(c.Names(""))).Scan); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&back, row) {
		t.Errorf("%s came back as\n     %+v\nwant %+v", what, back, *row)
	}
}

func TestBouncesHoldEveryField(t *testing.T) {
	s, _ := openNew(t)
	var row query.BounceRow
	stored := fill(t, reflect.ValueOf(&row.Record).Elem())
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(row.Record)})
	row.Key = row.To.Key()
	row.Recipient = "" // as logged: in recipient and recipient_logged
	row.Echo, row.First = false, false
	roundTrip(t, "bounces", query.BounceColumns, &row, stored, map[string]string{
		"Delivery.ID": "event_id", "Delivery.At": "occurred_at", "Delivery.Recipient": "", "Delivery.HasSender": "", "Delivery.Echo": "", "Delivery.First": "",
		"Delivery.Reply.SMTPCode": "smtp_code", "Delivery.Reply.Text": "reply", "Delivery.Reply.RelayIP": "relay_ip",
		"To.Normal": "recipient", "To.Logged": "recipient_logged", "recipient_key": "of To.Normal",
	}, func(column string) string { return "SELECT " + column + " FROM bounces" }, s.db)
}

func TestRecipientsHoldEveryField(t *testing.T) {
	s, path := openNew(t)
	row := recipientRow{to: to("jane"), key: 7, seq: 1, leftBad: 5}
	stored := fill(t, reflect.ValueOf(&row.row).Elem())
	err := s.transaction(t.Context(), func(tx *Tx) error { return tx.saveRecipients([]*recipientRow{&row}) })
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{
		"FirstAt": "first_failure_at", "LastAt": "last_failure_at", "LastDelivery": "last_delivery_at",
		"LastID": "last_bounce_id", "DecidingID": "deciding_bounce_id",
		"recipient": "of to", "domain": "of to", "recipient_key": "its key", "seq": "its seq", "left_bad_seq": "its change",
	}
	query := func(column string) string { return "SELECT " + column + " FROM recipients" }
	roundTrip(t, "recipients", recipientColumns, &row, stored, names, query, s.db)

	// The same by the statement for a row that is known.
	row.row = recipient.Row{}
	v := reflect.ValueOf(&row.row).Elem()
	stored = fill(t, v)
	v.FieldByName("Memory").SetString("another")
	stored["Memory"] = "another"
	row.known, row.seq = true, 2
	err = s.transaction(t.Context(), func(tx *Tx) error { return tx.saveRecipients([]*recipientRow{&row}) })
	if err != nil {
		t.Fatal(err)
	}
	row.known = false
	roundTrip(t, "recipients after an update", recipientColumns, &row, stored, names, query, s.db)

	// What readers show has the names of the columns in its JSON.
	r := reader(t, path)
	shown, known, err := r.Recipient(t.Context(), "jane@example.com")
	if err != nil || !known {
		t.Fatal(known, err)
	}
	for field, f := range reflect.ValueOf(shown).Fields() {
		column := field.Tag.Get("json")
		if column == "-" {
			continue
		}
		var want string
		if err := s.db.QueryRowContext(t.Context(), query(column)).Scan(&want); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(reflect.Indirect(f)); got != want {
			t.Errorf("%s of a reader is %q, want %q", column, got, want)
		}
	}
}

func TestPositionsHoldEveryField(t *testing.T) {
	s, _ := openNew(t)
	var row bounce.StreamState
	stored := fill(t, reflect.ValueOf(&row).Elem())
	row.Gone = false
	save(t, s, &bounce.Batch{Positions: []bounce.StreamState{row}})
	roundTrip(t, "positions", query.PositionColumns, &row, stored, map[string]string{"Position.Gone": "", "Parser.Data": "parser"},
		func(column string) string { return "SELECT " + column + " FROM positions" }, s.db)
}

func TestGapsAndQueueEntriesHoldEveryField(t *testing.T) {
	s, _ := openNew(t)
	var gap bounce.Gap
	var entry bounce.QueueEntry
	gaps, entries := fill(t, reflect.ValueOf(&gap).Elem()), fill(t, reflect.ValueOf(&entry).Elem())
	save(t, s, &bounce.Batch{Gaps: []bounce.Gap{gap}, Queue: []bounce.QueueEntry{entry}})
	roundTrip(t, "gaps", gapColumns, &gap, gaps, map[string]string{"At": "noticed_at"},
		func(column string) string { return "SELECT " + column + " FROM gaps" }, s.db)
	roundTrip(t, "queue_entries", query.QueueColumns, &entry, entries, map[string]string{"MTA": "mta", "QueueID": "queue_id"},
		func(column string) string { return "SELECT " + column + " FROM queue_entries" }, s.db)
}

// A sender that is empty is the null sender; one that is not known is NULL.
func TestTheNullSenderIsNotAnUnknownOne(t *testing.T) {
	s, _ := openNew(t)
	null, unknown := failed("a", 1, bounce.Bounced, false), failed("b", 1, bounce.Bounced, false)
	null.Sender, null.HasSender = "", true
	unknown.Sender, unknown.HasSender = "", false
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(null, unknown)})
	got := dump(t, s.db, "SELECT coalesce('<' || sender || '>', 'unknown') FROM bounces ORDER BY recipient")
	if fmt.Sprint(got) != "[<> unknown]" {
		t.Errorf("senders: %q", got)
	}
}
