package logparse_test

import (
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/logparse"
)

// Dates with a year of two digits are read if the modification time of the file, or the
// line before, leaves one day.
func TestYearsOfTwoDigits(t *testing.T) {
	const rest = " 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n"
	for _, c := range []struct{ modified, before, date, want string }{
		{"2026-11-25", "", "26-11-23", "2026-11-23"},
		{"2026-11-25", "", "23.11.26", "2026-11-23"},
		{"2026-11-25", "", "11/23/26", "2026-11-23"},
		{"2026-11-25", "", "23/11/26", "2026-11-23"},
		{"2023-11-27", "", "23-11-26", "2023-11-26"},
		{"2026-11-25", "", "26/02/29", ""},           // no such day
		{"2026-11-25", "", "05/11/26", ""},           // May or November
		{"2026-11-06", "", "05/11/26", "2026-11-05"}, // May is half a year away
		{"2026-05-12", "", "05/11/26", "2026-05-11"},
		{"2026-11-25", "2026-11-04T12:57:36Z mx postfix/qmgr[4]: 4f1XyZabcd: removed\n", "05/11/26", "2026-11-05"},
		{"2026-11-30", "", "12/11/26", ""}, // 12 November or 11 December
		{"2022-11-25", "", "26-11-23", ""}, // of no year that is near
		{"2026-11-25", "", "23-NOV-26", "2026-11-23"},
		{"2026-11-25", "", "26/Nov/23", "2026-11-23"},
		{"2026-11-27", "", "26-Nov-26", "2026-11-26"},
		{"2025-11-25", "", "24-Nov-25", "2025-11-24"},
		{"2026-11-25", "", "26-11.23", ""},
		{"2026-11-25", "", "126-11-23", ""},
	} {
		modified, err := time.Parse(time.DateOnly, c.modified)
		if err != nil {
			t.Fatal(err)
		}
		p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: modified})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, ev := range events(p, c.before+c.date+rest) {
			if ev.Recipient != "" {
				got = ev.At.Format(time.DateOnly)
			}
		}
		if unparsed := p.Counts().Unparsed; got != c.want || (unparsed == 0) != (c.want != "") {
			t.Errorf("%s, modified %s, before %q: got %q, counted %d, want %q", c.date, c.modified, c.before, got, unparsed, c.want)
		}
	}
}
