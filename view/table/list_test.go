package table

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
)

// The name of a row is what the reader needs, and the reply can be read elsewhere.
func TestFirstColumnIsCutLast(t *testing.T) {
	cols := []Column{{Key: "recipient", Long: true}, {Key: "state", Keep: 4}, {Key: "category", Keep: 1}, {Key: "reason", Keep: 5}, {Key: "last_failure_at", Keep: 3}, {Key: "reply", Keep: 2, Long: true}}
	for _, tt := range []struct {
		address int // columns
		want    string
	}{
		{20, "RECIPIENT STATE REASON LAST FAILURE AT REPLY"},
		{28, "RECIPIENT STATE REASON LAST FAILURE AT"},
		{40, "RECIPIENT STATE REASON LAST FAILURE AT"},
		{53, "RECIPIENT STATE REASON"},
		{254, "RECIPIENT STATE REASON"},
	} {
		var out, remarks bytes.Buffer
		o := Options{Format: "table"}
		l, err := o.Open(&out, &remarks, Zone{}, cols)
		if err != nil {
			t.Fatal(err)
		}
		l.screen.Width = 80
		address := strings.Repeat("a", tt.address)
		l.Row(nil, address, State("bad"), "invalid-address", "no-such-user", "2026-11-26 10:00", strings.Repeat("No such user here. ", 5)) //nolint:errcheck // a buffer
		if err := l.End(""); err != nil {
			t.Fatal(err)
		}
		head, row, _ := strings.Cut(out.String(), "\n")
		if got := strings.Join(strings.Fields(head), " "); got != tt.want {
			t.Errorf("an address of %d columns: the columns are %s, want %s", tt.address, got, tt.want)
		}
		if shown, _, _ := strings.Cut(row, " "); tt.address <= 53 && shown != address || text.Columns(shown) < min(tt.address, 53) {
			t.Errorf("an address of %d columns is shown as %s", tt.address, shown)
		}
		for line := range strings.Lines(out.String()) {
			if n := text.Columns(strings.TrimSpace(line)); n > 80 {
				t.Errorf("an address of %d columns: a line has %d", tt.address, n)
			}
		}
	}
}

// A statement in SQL may ask for more columns than a terminal can show side by side.
func TestMoreColumnsThanFitAreShownBelowOneAnother(t *testing.T) {
	names := []string{"id", "recipient", "domain", "decision", "note", "decided_at", "until", "ended_at", "recipient_key"}
	var out, remarks bytes.Buffer
	l, err := (&Options{Format: "table", All: true}).Open(&out, &remarks, Zone{}, LongColumns(names))
	if err != nil {
		t.Fatal(err)
	}
	l.screen.Width = 60
	for range 2 {
		l.Row(nil, 1, "jane@example.com", "example.com", "allow", strings.Repeat("they have called us ", 5), "2026-11-26T10:00:00.000Z", nil, nil, 12) //nolint:errcheck // a buffer
	}
	if err := l.End(""); err != nil {
		t.Fatal(err)
	}
	const record = "ID             1\n" +
		"RECIPIENT      jane@example.com\n" +
		"DOMAIN         example.com\n" +
		"DECISION       allow\n" +
		"NOTE           they have called us they have called us they\n" +
		"               have called us they have called us they have\n" +
		"               called us\n" +
		"DECIDED AT     2026-11-26T10:00:00.000Z\n" +
		"UNTIL\n" +
		"ENDED AT\n" +
		"RECIPIENT KEY  12\n"
	if want := record + "\n" + record; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// A list that was given as many rows as it needs does not say that these are all.
func TestRowsThatWereNotReadAreNotCounted(t *testing.T) {
	for rows, want := range map[int]string{60: "10 more; --limit 0 shows all 60.\n", 1000: "At least 950 more; --limit 0 shows all.\n"} {
		for _, asks := range []bool{true, false} {
			var out, remarks bytes.Buffer
			o := Options{Format: "table"}
			l, err := o.Open(&out, &remarks, Zone{}, []Column{{Key: "recipient"}})
			if err != nil {
				t.Fatal(err)
			}
			if n := l.Enough(); n != 0 {
				t.Errorf("for a file, %d rows are enough, want all", n)
			}
			l.max = 50
			if asks && l.Enough() != 1000 {
				t.Errorf("on a terminal, %d rows are enough, want 1000", l.Enough())
			}
			for range rows {
				if err := l.Row(nil, "jane@example.com"); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.End(""); err != nil {
				t.Fatal(err)
			}
			if got := remarks.String(); got != want && asks {
				t.Errorf("%d rows: %q, want %q", rows, got, want)
			} else if !asks && strings.Contains(got, "At least") {
				t.Errorf("%d rows, which are all: %q", rows, got)
			}
		}
	}
}
