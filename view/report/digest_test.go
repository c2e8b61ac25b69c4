package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

func TestSpansAreWholeDaysInUTC(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		t.Helper()
		got, err := time.ParseInLocation("2006-01-02 15:04", s, vienna)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct{ since, until, before, first, last, title string }{
		{"2026-11-19 07:00", "2026-11-26 01:00", "2026-11-12", "2026-11-19", "2026-11-25", "19 to 25 November 2026"},
		{"2026-11-19 00:30", "2026-11-26 07:00", "2026-11-09", "2026-11-18", "2026-11-26", "18 to 26 November 2026"}, // 23:30 UTC, and today
		{"2026-10-20 12:00", "2026-10-27 01:00", "2026-10-13", "2026-10-20", "2026-10-26", "20 to 26 October 2026"},  // the clock changes
		{"2028-02-28 12:00", "2028-03-01 01:00", "2028-02-26", "2028-02-28", "2028-02-29", "28 to 29 February 2028"},
		{"2026-12-28 12:00", "2027-01-04 01:00", "2026-12-21", "2026-12-28", "2027-01-03", "28 December 2026 to 3 January 2027"},
		{"2026-11-25 12:00", "2026-11-26 01:00", "2026-11-24", "2026-11-25", "2026-11-25", "25 November 2026"},
	} {
		d, err := newDigest(DigestOptions{Since: at(c.since), Until: at(c.until)})
		if err != nil {
			t.Errorf("%s to %s: %v", c.since, c.until, err)
			continue
		}
		if d.Before != c.before || d.First != c.first || d.Last != c.last || span(d.First, d.Last) != c.title {
			t.Errorf("%s to %s is %s, %s to %s, %q; want %s, %s to %s, %q", c.since, c.until, d.Before, d.First, d.Last, span(d.First, d.Last), c.before, c.first, c.last, c.title)
		}
	}
}

func TestChangesAreCompared(t *testing.T) {
	for _, c := range []struct {
		n, before int64
		want      string
	}{{3, 0, ""}, {0, 0, ""}, {0, 4, "−100 %"}, {4, 4, "±0 %"}, {6, 4, "+50 %"}, {1000, 1, "× 1,000"}, {1_000_000_000, 1, "× 1,000,000,000"}} {
		d := Digest{Numbers: []Number{number("delivered", c.n, c.before), {}, {}, {}}}
		s := d.numbersSection()
		if got := s.Rows[0][3].Text; got != c.want {
			t.Errorf("%d after %d is %q, want %q", c.n, c.before, got, c.want)
		}
	}
}

func TestWhatNeedsYouIsASentence(t *testing.T) {
	d := Digest{Needs: []Need{{"No daemon reads the logs.", "systemctl status bouncetail"}}, Numbers: make([]Number, 4), Days: []query.Outcomes{{Day: "2026-11-25"}}}
	var out bytes.Buffer
	if err := d.PrintText(&table.Screen{Out: &out}, table.Zone{Location: time.UTC}); err != nil {
		t.Fatal(err)
	}
	if want := "\n- No daemon reads the logs. Next: systemctl status bouncetail\n"; !strings.Contains(out.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, &out)
	}
	d.Host, d.NewlyBad.N = "mx1", 231
	if got, want := d.Subject(), "[bouncetail mx1] 1 thing needs you, 231 newly bad addresses"; got != want {
		t.Errorf("the subject is %q, want %q", got, want)
	}
}

// What is open is in the report although its days are over, and the report says so.
func TestReportSaysWhatIsLaterThanItsDays(t *testing.T) {
	now := time.Date(2026, 11, 26, 18, 5, 0, 0, time.UTC)
	d := Digest{
		First: "2026-11-19", Last: "2026-11-25", to: now.Truncate(24 * time.Hour), now: now,
		Numbers: make([]Number, 4), Days: []query.Outcomes{{Day: "2026-11-25"}}, Needs: []Need{{"Mail is refused", "bouncetail incidents 1"}},
		Incidents: []incidents.Shown{{Incident: incident.Incident{ID: 1, Kind: incident.ProviderRefuses, Subject: "google", StartedAt: "2026-11-26T04:07:00.000Z"}}},
	}
	const asOf, later = "\nThat is as of 2026-11-26 18:05 (UTC).\n", "\nThose that are open are listed although they began after 19 to 25 November 2026.\n"
	print := func() string {
		var out bytes.Buffer
		if err := d.PrintText(&table.Screen{Out: &out}, table.Zone{Location: time.UTC}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := print(); !strings.Contains(got, asOf) || !strings.Contains(got, later) {
		t.Errorf("the report lacks %q or %q:\n%s", asOf, later, got)
	}
	d.Incidents[0].StartedAt = "2026-11-25T04:07:00.000Z"
	if got := print(); strings.Contains(got, "although") {
		t.Errorf("an incident of the days is called later:\n%s", got)
	}
}

func TestReportEndsWithTheAddressOfThePages(t *testing.T) {
	d := Digest{Numbers: make([]Number, 4), Days: []query.Outcomes{{Day: "2026-11-25"}}, Reasons: []ReasonNumber{{Number: number("spf", 1, 0)}}, URL: "https://mail.example.com/bouncetail/"}
	m, err := d.Mail(table.Zone{Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nPages\nhttps://mail.example.com/bouncetail/\n"; !strings.HasSuffix(string(m.Text), want) {
		t.Errorf("the text lacks %q:\n%s", want, m.Text)
	}
	for kind, html := range map[string][]byte{"mail": m.HTML, "file": m.File} {
		if want := `href="https://mail.example.com/bouncetail/recipients?reason=spf"`; !strings.Contains(string(html), want) {
			t.Errorf("the %s lacks %s:\n%s", kind, want, html)
		}
	}
}
