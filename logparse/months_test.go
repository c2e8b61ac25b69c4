package logparse_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/logparse"
)

const behindDate = " 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n"

// days reads a log of a file that was modified on a day, and returns the days of its deliveries.
func days(t *testing.T, modified, log string) (got string, unparsed int) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, modified)
	if err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(log))), nil }
	p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: logparse.Anchor(open, int64(len(log)), at, time.UTC), Now: func() time.Time { return at.AddDate(0, 0, 1) }})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, ev := range events(p, log) {
		if ev.Recipient != "" {
			all = append(all, ev.At.Format(time.DateOnly))
		}
	}
	return strings.Join(all, " "), p.Counts().Unparsed
}

// Croatian and Polish or Czech share names of months that are not the same month. What
// is around the line decides.
func TestMonthsThatMeanTwo(t *testing.T) {
	for _, c := range []struct {
		modified, dates, want string
		counted               int
	}{
		{"2026-11-25", "lis 19", "2026-11-19", 0},
		{"2026-10-25", "lis 19", "2026-10-19", 0},
		{"2026-11-30", "lis 1,lis 15,lis 30", "2026-11-01 2026-11-15 2026-11-30", 0},
		// November has not got so far.
		{"2026-11-25", "lis 30", "2026-10-30", 0},
		{"2027-06-01", "lis 19", "", 1}, // long ago
		{"2026-11-25", "lis 1,lis 20,lis 31,stu 1,stu 25", "2026-10-01 2026-10-20 2026-10-31 2026-11-01 2026-11-25", 0}, // Croatian
		{"2026-11-25", "ruj 30,lis 1,lis 20,stu 2", "2026-09-30 2026-10-01 2026-10-20 2026-11-02", 0},
		{"2026-11-25", "paź 31,lis 1,lis 25", "2026-10-31 2026-11-01 2026-11-25", 0}, // Polish
		{"2026-12-05", "lis 10,lis 30,gru 1", "2026-11-10 2026-11-30 2026-12-01", 0},
		{"2026-07-20", "svi 31,lip 1,lip 20,srp 1", "2026-05-31 2026-06-01 2026-06-20 2026-07-01", 0},
		{"2026-07-20", "cze 30,lip 1", "2026-06-30 2026-07-01", 0},
		{"2026-11-25", "ruj 30,lis 30", "2026-09-30", 1}, // a month without a line
		{"2026-07-02", "lip 31", "", 1},                  // no day of June, and July is not over
		{"2026-11-25", "2026 listopada 19,listopad 20 2026", "2026-11-19 2026-11-20", 0},
		{"2026-11-25", "2025 lipca 19,2025 lipnja 19,2025 srpna 19,2025 srpnja 19", "2025-07-19 2025-06-19 2025-08-19 2025-07-19", 0},
		{"2026-11-25", "2026-10-19T12:57:36Z lis 19", "2026-10-19", 0}, // a stamp around it
	} {
		log := strings.ReplaceAll(c.dates, ",", behindDate) + behindDate
		if got, counted := days(t, c.modified, log); got != c.want || counted != c.counted {
			t.Errorf("%s, modified %s: got %q, counted %d, want %q, %d", c.dates, c.modified, got, counted, c.want, c.counted)
		}
	}
}

// Dates as other languages write them.
func TestDatesWithWordsBetween(t *testing.T) {
	for _, date := range []string{
		"19 de nov. de 2026", "19 de novembre de 2026,", "quinta-feira, 19 de novembro de 2026 às", "jueves, 19 de noviembre de 2026, a las",
		"Donnerstag, 19. November 2026 um", "jeudi 19 novembre 2026 à", "donderdag 19 november 2026 om", "torsdag den 19. november 2026 kl.",
		"Thursday, November 19, 2026 at", "19 ноября 2026 г.,", "2026 m. lapkričio 19 d.", "2026. nov. 19.", "Thg 11 19", "19 thg 11, 2026",
		"giovedì 19 novembre 2026 alle ore", "2026. 11. 19. (목)", "2026/11/19(木)", "2026-11-19 Thu", "19. 11. 2026", "19. 11. 2026,",
		"čet 19. studenoga 2026.", "d’oct. 19", "de nov. 19",
	} {
		want := "2026-11-19"
		if strings.Contains(date, "oct") {
			want = "2026-10-19"
		}
		if got, _ := days(t, "2026-11-25", date+behindDate); got != want {
			t.Errorf("%s: got %q, want %q", date, got, want)
		}
	}
}

func TestWordsBehindTheClock(t *testing.T) {
	for _, clock := range []string{"12:57:36 Uhr", "12:57:36 MEZ", "12:57:36 Uhr MEZ"} {
		if got, _ := days(t, "2026-11-25", "19. November 2026 um "+clock+strings.TrimPrefix(behindDate, " 12:57:36")); got != "2026-11-19" {
			t.Errorf("%s: got %q", clock, got)
		}
	}
}
