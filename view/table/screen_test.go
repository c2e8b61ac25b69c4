package table

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
)

// filled prints a table on a screen.
func filled(t *testing.T, s Screen) string {
	t.Helper()
	var out bytes.Buffer
	s.Out = &out
	g := s.Grid("NAME", "N", "WHY")
	g.Row("a", 1234567, "a short one")
	g.Row("a longer\x1b[31m name", 8, strings.Repeat("words ", 20))
	if err := g.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTableOfAPipeIsPlainAndWhole(t *testing.T) {
	want := "NAME                           N  WHY\n" +
		"a                      1,234,567  a short one\n" +
		"a longer\\x1b[31m name          8  " + strings.TrimSpace(strings.Repeat("words ", 20)) + "\n"
	if got := filled(t, Screen{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTableOfATerminalIsWrappedAtItsEdge(t *testing.T) {
	got := filled(t, Screen{Width: 63, Colour: true})
	lines := strings.Split(got, "\n")
	if lines[0] != "\x1b[1mNAME                           N  WHY\x1b[0m" {
		t.Errorf("the heading is %q, want it bold", lines[0])
	}
	if len(lines) != 7 || strings.Count(got, "words") != 20 {
		t.Errorf("the sentence is not wrapped as a whole:\n%s", got)
	}
	for _, line := range lines {
		if n := text.Columns(line); n > 63 && !strings.HasPrefix(line, "\x1b") {
			t.Errorf("a line of %d columns on 63: %q", n, line)
		}
	}
	if got := (&Screen{Width: 60}).Paint(Red, "x"); got != "x" {
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
	g := (&Screen{Out: &out, Width: 50}).Grid("RECIPIENT", "STATE", "REPLY")
	g.Row("メール@例え.テスト", "bad", strings.Repeat("宛先不明", 10))
	g.Row("u\u0308@example.com", "retry", "full")
	if err := g.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "RECIPIENT           STATE  REPLY\n" +
		"メール@例え.テスト  bad    宛先不明宛先不明宛先不\n" +
		"                           明宛先不明宛先不明宛先\n" +
		"                           不明宛先不明宛先不明宛\n" +
		"                           先不明宛先不明\n" +
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
	if err := Objects(&out).Encode(want); err != nil {
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
