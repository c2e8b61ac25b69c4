package logparse_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/logparse"
)

// times returns when the lines of a log were written: stamps in front of one
// and the same delivery line.
func times(t *testing.T, zone *time.Location, modified time.Time, stamps ...string) []string {
	t.Helper()
	now := func() time.Time { return modified }
	var log strings.Builder
	for _, s := range stamps {
		log.WriteString(s + " mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, " + delivery + "dsn=4.0.0, status=deferred (x)\n")
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(log.String())), nil }
	p, err := logparse.New(logparse.Options{Zone: zone, Anchor: logparse.Anchor(open, int64(log.Len()), modified, zone), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range events(p, log.String()) {
		got = append(got, ev.At.Format(time.RFC3339Nano))
	}
	return got
}

func TestYearsOfStampsWithoutOne(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		zone     *time.Location
		modified string
		stamps   []string
		want     []string
	}{
		{"December read in January", time.UTC, "2027-01-03T00:00:00Z", []string{"Dec 30 10:00:00", "Jan  2 10:00:00"}, []string{"2026-12-30T10:00:00Z", "2027-01-02T10:00:00Z"}},
		{"last year's December alone", time.UTC, "2026-12-31T23:59:00Z", []string{"Dec 30 10:00:00"}, []string{"2026-12-30T10:00:00Z"}},
		{"three years", time.UTC, "2026-05-01T00:00:00Z", []string{"Nov  1 10:00:00", "Feb  1 10:00:00", "Aug  1 10:00:00", "Jan  1 10:00:00", "Dec  1 10:00:00", "Apr 30 10:00:00"}, []string{"2023-11-01T10:00:00Z", "2024-02-01T10:00:00Z", "2024-08-01T10:00:00Z", "2025-01-01T10:00:00Z", "2025-12-01T10:00:00Z", "2026-04-30T10:00:00Z"}},
		{"a clock that was wrong until the network came", time.UTC, "2026-11-23T13:00:00Z", []string{"Nov 22 10:00:00", "Jan  1 00:00:07", "Nov 23 10:00:00", "Nov 23 11:00:00"}, []string{"2026-11-22T10:00:00Z", "2026-01-01T00:00:07Z", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"}},
		{"a clock that was ahead", time.UTC, "2026-03-02T13:00:00Z", []string{"Mar  1 10:00:00", "Jul 10 00:00:07", "Mar  2 10:00:00"}, []string{"2026-03-01T10:00:00Z", "2025-07-10T00:00:07Z", "2026-03-02T10:00:00Z"}},
		{"a leap day", time.UTC, "2024-03-02T00:00:00Z", []string{"Feb 29 10:00:00", "Mar  1 10:00:00"}, []string{"2024-02-29T10:00:00Z", "2024-03-01T10:00:00Z"}},
		{"a leap day in a copy of a log", time.UTC, "2026-11-02T00:00:00Z", []string{"Dec 31 10:00:00", "Feb 29 10:00:00", "Mar  1 10:00:00"}, []string{"2023-12-31T10:00:00Z", "2024-02-29T10:00:00Z", "2024-03-01T10:00:00Z"}},
		{"a zone of the settings", berlin, "2026-07-02T00:00:00Z", []string{"Jul  1 10:00:00"}, []string{"2026-07-01T08:00:00Z"}},
		{"around the hour that summer time leaves out", berlin, "2026-03-30T00:00:00Z", []string{"Mar 29 01:59:59", "Mar 29 03:00:00"}, []string{"2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"}},
		{"the hour that comes twice", berlin, "2026-10-26T00:00:00Z", []string{"Oct 25 01:59:59", "Oct 25 02:30:00", "Oct 25 02:59:59", "Oct 25 02:00:00", "Oct 25 02:30:00", "Oct 25 03:00:00"}, []string{"2026-10-24T23:59:59Z", "2026-10-25T00:30:00Z", "2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			modified, err := time.Parse(time.RFC3339, tt.modified)
			if err != nil {
				t.Fatal(err)
			}
			got := times(t, tt.zone, modified, tt.stamps...)
			if strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Lines that are out of order in the hour that comes twice are compared with the newest
// line, and not with the last.
func TestARestartChangesNoTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	anchor := time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)
	p, err := logparse.New(logparse.Options{Zone: berlin, Anchor: anchor})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"00:59:00", "00:50:30", "01:45:00"}
	for i, stamp := range []string{"02:59:00", "02:50:30", "02:45:00"} {
		for _, ev := range events(p, "Oct 25 "+stamp+" mx postfix/qmgr[4]: 4XabcZ1y2z: removed\n") {
			if got := ev.At.Format(time.TimeOnly); got != want[i] {
				t.Errorf("%s is read as %s, want %s", stamp, got, want[i])
			}
		}
		if p, err = logparse.New(logparse.Options{Zone: berlin, Anchor: anchor, State: p.State()}); err != nil {
			t.Fatal(err)
		}
	}
}

// The stamps of a container, whose clock is ahead, displace that of the host in the cache.
func TestStampsOfContainersDoNotChangeThoseOfTheHost(t *testing.T) {
	p := newParser(t, "")
	body := "4XabcZ1y2z: to=<a@b.example>, " + delivery + "dsn=4.0.0, status=deferred (x)\n"
	for _, second := range []string{"37", "38", "39", "40"} {
		events(p, "Nov 23 12:57:36 mx docker[1]: Nov 23 12:57:"+second+" mail postfix/smtp[4]: "+body)
	}
	got := events(p, "Nov 23 12:57:40 mx postfix/smtp[4]: "+body)
	if len(got) != 1 || got[0].At.Format(time.TimeOnly) != "12:57:40" {
		t.Errorf("got %v, want a delivery at 12:57:40", describeAll(got))
	}
}

// A pipe does not show when a log was written, only that it was written before now.
func TestNoStampIsOfTheFuture(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p, err := logparse.New(logparse.Options{Zone: time.UTC, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	got := events(p, strings.Replace(postfix, "Nov 23", "Aug 10", 1)+"to=<a@b.example>, "+delivery+"dsn=4.0.0, status=deferred (x)\n")
	if want := time.Date(2025, 8, 10, 12, 57, 36, 0, time.UTC); len(got) != 1 || !got[0].At.Equal(want) {
		t.Errorf("got %v, want %s", describeAll(got), want)
	}
}

// A machine without a battery starts years ago.
func TestYearsWhileTheClockHereIsWrong(t *testing.T) {
	p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: noon, Now: func() time.Time { return noon.AddDate(-2, -6, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []string{"Nov 23", "Jan  1", "Nov 23", "Nov 24"} {
		got := events(p, strings.Replace(postfix, "Nov 23", day, 1)+"to=<a@b.example>, "+delivery+"dsn=4.0.0, status=deferred (x)\n")
		if len(got) != 1 || got[0].At.Year() != 2026 {
			t.Errorf("%s: got %v, want one of 2026", day, describeAll(got))
		}
	}
}

func TestFormsOfStamps(t *testing.T) {
	modified := noon
	for stamp, want := range map[string]string{
		"Nov 23 12:57:36":                     "2026-11-23T12:57:36Z",
		"Nov  3 12:57:36":                     "2026-11-03T12:57:36Z",
		"<22>Nov 23 12:57:36":                 "2026-11-23T12:57:36Z",
		"2026-11-23T12:57:36Z":                "2026-11-23T12:57:36Z",
		"2026-11-23T12:57:36+01:00":           "2026-11-23T11:57:36Z",
		"2026-11-23T12:57:36.123456-05:30":    "2026-11-23T18:27:36.123456Z",
		"2026-11-23T12:57:36+0000":            "2026-11-23T12:57:36Z",
		"<22>2026-11-23T12:57:36.5Z":          "2026-11-23T12:57:36.5Z",
		"Mon 2026-11-23 12:57:36 UTC":         "2026-11-23T12:57:36Z",
		"1795438656.759177":                   "2026-11-23T12:57:36.759177Z",
		"2026-11-23T12:57:36.123456789+00:00": "2026-11-23T12:57:36.123456789Z",
		"2026-11-23T12:57:60Z":                "2026-11-23T12:58:00Z", // a leap second
		"2026-11-23T25:57:36Z":                "",
		"2026-13-23T12:57:36Z":                "",
		"Nov 32 12:57:36":                     "",
		"Nop 23 12:57:36":                     "",
		"2026-11-23T12:57:36+1":               "",
	} {
		got := strings.Join(times(t, time.UTC, modified, stamp), " ")
		if got != want {
			t.Errorf("%s: got %q, want %q", stamp, got, want)
		}
	}
}

func TestStampsOfExim(t *testing.T) {
	for stamp, want := range map[string]string{
		"2026-11-23 12:57:36":                  "2026-11-23T12:57:36Z",
		"2026-11-23 12:57:36 +0100":            "2026-11-23T11:57:36Z",
		"2026-11-23 12:57:36.647":              "2026-11-23T12:57:36.647Z",
		"2026-11-23 12:57:36.647 +0100 [1923]": "2026-11-23T11:57:36.647Z",
		"2026-11-23 12:57:36 [1923]":           "2026-11-23T12:57:36Z",
	} {
		got := events(newParser(t, ""), stamp+" 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address\n")
		if len(got) != 1 || got[0].At.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v, want %s", stamp, describeAll(got), want)
		}
	}
}

func TestAnchorOfALogWithoutStamps(t *testing.T) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte("no log\n"))), nil }
	if got := logparse.Anchor(open, 7, noon, time.UTC); !got.Equal(noon) {
		t.Errorf("got %s, want %s", got, noon)
	}
}

// A large log is not read as a whole to find its year.
func TestAnchorOfALargeLogOfThreeYears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	var log strings.Builder
	start := time.Date(2024, 2, 10, 0, 0, 0, 0, time.UTC)
	end := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for at := start; at.Before(end); at = at.Add(20 * time.Minute) {
		log.WriteString(at.Format(time.Stamp) + " mx postfix/smtpd[4]: connect from client.example[192.0.2.9]\n")
	}
	if err := os.WriteFile(path, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) {
		return os.Open(path)
	}
	if got := logparse.Anchor(open, int64(log.Len()), end, time.UTC); !got.Equal(start) {
		t.Errorf("got %s, want %s", got, start)
	}
	if log.Len() < 2<<20 {
		t.Errorf("the log has %d bytes, too few to be sampled", log.Len())
	}
}

// endless is an archive of gigabytes that holds no line.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.read += int64(len(p)); e.read > 1<<30 {
		return 0, errors.New("a gigabyte was read")
	}
	return len(p), nil
}

func TestAnchorOfAnArchiveWithoutLines(t *testing.T) {
	zeros := &endless{}
	open := func() (io.ReadCloser, error) { return io.NopCloser(zeros), nil }
	if got := logparse.Anchor(open, 1<<20, noon, time.UTC); !got.Equal(noon) {
		t.Errorf("got %s, want %s", got, noon)
	}
	if zeros.read > 100<<20 {
		t.Errorf("%d bytes were read for a stamp, want not more than 64 MB", zeros.read)
	}
}

// An archive can only be read from its start: one that goes on for years is
// read as a whole, and a day of a busy server is not.
func TestAnchorOfArchives(t *testing.T) {
	for name, tt := range map[string]struct {
		start, end time.Time
		step       time.Duration
		whole      bool
	}{
		"two years of a small server": {time.Date(2024, 11, 10, 0, 0, 0, 0, time.UTC), time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), 5 * time.Minute, true},
		"new year of a busy server":   {time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), 400 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			for at := tt.start; at.Before(tt.end); at = at.Add(tt.step) {
				log.WriteString(at.Format(time.Stamp) + " mx postfix/smtpd[4]: connect from client.example[192.0.2.9]\n")
			}
			size := log.Len()
			open := func() (io.ReadCloser, error) { return io.NopCloser(&log), nil }
			if got := logparse.Anchor(open, int64(size/10), tt.end, time.UTC); !got.Equal(tt.start) {
				t.Errorf("got %s, want %s", got, tt.start)
			}
			if whole := log.Len() == 0; whole != tt.whole {
				t.Errorf("%d of %d bytes were not read, want all read: %v", log.Len(), size, tt.whole)
			}
		})
	}
}

// The C library's abbreviations, as journalctl prints them.
func TestMonthsOfOtherLanguages(t *testing.T) {
	for language, names := range map[string]string{
		"Greek":      "Ιαν Φεβ Μάρ Απρ Μαΐ Ιούν Ιούλ Αύγ Σεπ Οκτ Νοε Δεκ",
		"Serbian":    "јан феб мар апр мај јун јул авг сеп окт нов дец",
		"Slovene":    "jan feb mar apr maj jun jul avg sep okt nov dec",
		"Albanian":   "Jan Shk Mar Pri Maj Qer Kor Gsh Sht Tet Nën Dhj",
		"Basque":     "urt ots mar api mai eka uzt abu ira urr aza abe",
		"Lithuanian": "saus. vas. kov. bal. geg. birž. liep. rugp. rugs. spal. lapkr. gruod.",
		"Hungarian":  "jan febr márc ápr máj jún júl aug szept okt nov dec",
		"Azeri":      "Yan Fev Mar Apr May İyn İyl Avq Sen Okt Noy Dek",
		"Hebrew":     "ינו פבר מרץ אפר מאי יונ יול אוג ספט אוק נוב דצמ",
		"Arabic":     "ينا فبر مار أبر ماي يون يول أغس سبت أكت نوف ديس",
		"Persian":    "ژانویه فوریه مارس آوریل مه ژوئن ژوئیه اوت سپتامبر اكتبر نوامبر دسامبر",
		"Thai":       "ม.ค. ก.พ. มี.ค. เม.ย. พ.ค. มิ.ย. ก.ค. ส.ค. ก.ย. ต.ค. พ.ย. ธ.ค.",
		"Chinese":    "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月",
		"Malay":      "Jan Feb Mac Apr Mei Jun Jul Ogos Sep Okt Nov Dis",
		"French":     "jan fév mar avr mai jun jui aoû sep oct nov déc",
		"Catalan":    "gen. febr. març d’abr. maig juny jul. d’ag. set. d’oct. nov. des.",
	} {
		for i, name := range strings.Fields(names) {
			p := newParser(t, "")
			got := events(p, "2026 "+name+" 15 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)\n")
			if want := time.Date(2026, time.Month(i+1), 15, 12, 57, 36, 0, time.UTC); len(got) != 1 || !got[0].At.Equal(want) {
				t.Errorf("%s: %s: got %v, want %v", language, name, describeAll(got), want)
			}
		}
	}
}
