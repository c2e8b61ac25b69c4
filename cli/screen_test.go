package cli

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/report"
)

// filled prints a table on a screen.
func filled(t *testing.T, s screen) string {
	t.Helper()
	var out bytes.Buffer
	s.out = &out
	g := s.table("NAME", "N", "WHY")
	g.row("a", 1234567, "a short one")
	g.row("a longer\x1b[31m name", 8, strings.Repeat("words ", 20))
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTableOfAPipeIsPlainAndWhole(t *testing.T) {
	want := "NAME                        N  WHY\n" +
		"a                   1,234,567  a short one\n" +
		"a longer?[31m name          8  " + strings.TrimSpace(strings.Repeat("words ", 20)) + "\n"
	if got := filled(t, screen{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTableOfATerminalEndsAtItsEdge(t *testing.T) {
	got := filled(t, screen{width: 60, colour: true})
	lines := strings.Split(got, "\n")
	if lines[0] != "\x1b[1mNAME                        N  WHY\x1b[0m" {
		t.Errorf("the heading is %q, want it bold", lines[0])
	}
	if n := len([]rune(lines[2])); n != 60 || !strings.HasSuffix(lines[2], "…") {
		t.Errorf("a line of %d columns on 60: %q", n, lines[2])
	}
	if got := (&screen{width: 60}).paint(red, "x"); got != "x" {
		t.Errorf("paint without colour gives %q", got)
	}
}

// Addresses of IDN and SMTPUTF8 are shown in their own letters.
func TestTableCountsColumnsAndNotLetters(t *testing.T) {
	for shown, want := range map[string]int{
		"":                          0,
		"jane@example.com":          16,
		"gone@bücher.example":       19, // one letter
		"gone@bu\u0308cher.example": 19, // a letter and its mark
		"メール@例え.テスト":                18,
		"ｆｕｌｌ":                      8,
		"한국@example.kr":             15,
		"\U0001F4E7@example.com":    14,
		"…":                         1,
	} {
		if got := text.Columns(shown); got != want {
			t.Errorf("text.Columns(%q) = %d, want %d", shown, got, want)
		}
	}
	var out bytes.Buffer
	g := (&screen{out: &out, width: 50}).table("RECIPIENT", "STATE", "REPLY")
	g.row("メール@例え.テスト", "bad", strings.Repeat("宛先不明", 10))
	g.row("u\u0308@example.com", "retry", "full")
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	want := "RECIPIENT           STATE  REPLY\n" +
		"メール@例え.テスト  bad    宛先不明宛先不明宛先不…\n" +
		"u\u0308@example.com       retry  full\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	for shown, want := range map[string]string{"例例例": "例…", "例例": "例例", "abcde": "abc…", "abcu\u0308": "abcu\u0308", "abu\u0308cd": "abu\u0308…"} {
		if got := text.Cut(shown, 4); got != want {
			t.Errorf("cut(%q, 4) = %q, want %q", shown, got, want)
		}
	}
}

func TestJSONShowsATerminalNothingToObey(t *testing.T) {
	want := "\x1b[31m \u009b31m \u202e \u2028 \x7f \U000E0041 <é> \U0001F4E7"
	var out bytes.Buffer
	if err := objects(&out).Encode(want); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(strings.TrimSuffix(out.String(), "\n"), text.Obeyed); i >= 0 {
		t.Errorf("%q holds what a terminal obeys", out.String())
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != want {
		t.Errorf("%s reads as %q, %v; want %q", out.Bytes(), got, err, want)
	}
}

// What looks like an address; ids of messages and rules have no such part.
var addressLike = regexp.MustCompile(`[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+`)

func TestLogAtInfoNamesNoAddress(t *testing.T) {
	db := t.TempDir() + "/b.db"
	var out, errs bytes.Buffer
	args := []string{"import", "--db", db, "--log-level", "info", "--log-format", "json"}
	for _, log := range []string{"postfix/main/mail.log.gz", "exim/main/mainlog.gz", "sendmail/main/mail.log.gz", "opensmtpd/main/mail.log.gz"} {
		args = append(args, "../testdata/logs/"+log)
	}
	if code := Main(args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	r, err := sqlite.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := report.Summarize(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	errs.WriteString(f.LogReasons() + "\n" + f.LogProblems())
	if !strings.Contains(errs.String(), "no-such-user") || !strings.Contains(errs.String(), "google") {
		t.Errorf("the summary for the log names no reason or no provider: %s", &errs)
	}
	if found := addressLike.FindAllString(errs.String(), -1); found != nil {
		t.Errorf("the log at info names %q", found)
	}
}
