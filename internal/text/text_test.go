package text

import (
	"strings"
	"testing"
	"unicode"
)

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31m \u009b \u202e \xff tab\t")
	f.Fuzz(func(t *testing.T, given string) {
		shown := Printable(given)
		if strings.ContainsFunc(shown, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("Printable(%q) is %q", given, shown)
		}
	})
}

func TestControlCharactersBecomeVisible(t *testing.T) {
	for given, want := range map[string]string{
		"user@example.com":           "user@example.com",
		"\x1b[31mred\x00":            `\x1b[31mred\x00`,
		"a\tb\nc\r":                  `a b c\x0d`,
		"\u202egnp.exe \u200b\u009b": `\u202egnp.exe \u200b\u009b`,
		"tag \U000E0041":             `tag \U000e0041`,
		"\xff\xc3(":                  `\xff\xc3(`,
		"given as \uFFFD":            "given as \uFFFD",
		"bücher メール":                 "bücher メール",
	} {
		if got := Printable(given); got != want {
			t.Errorf("Printable(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestFaultComesBeforeTheNextStep(t *testing.T) {
	for _, c := range []struct {
		width     int
		said, got string
	}{
		{0, "a fault that is long; the next step", "a fault that is long; the next step"},
		{80, "a fault; a step", "a fault; a step"},
		{20, "a fault that is long; the next step", "a fault that is long\n  the next step"},
		{12, "a fault that is long; the next step", "a fault that\n  is long\n  the next\n  step"},
		{20, "settings:\n  log.level: \"x\" is not one of debug, info", "settings:\n  log.level: \"x\" is\n    not one of\n    debug, info"},
		{20, "see https://example.com/a-long-path, please", "see\n  https://example.com/a-long-path,\n  please"},
	} {
		if got := Fault(c.said, c.width); got != c.got {
			t.Errorf("Fault(%q, %d) =\n%s\nwant\n%s", c.said, c.width, got, c.got)
		}
	}
}

func TestReflowJoinsParagraphsAndKeepsLists(t *testing.T) {
	in := "one two three\nfour\n\n  a list of long lines\n* an item of a list\nfive six seven eight"
	want := "one two three\nfour\n\n  a list of long lines\n* an item of a list\nfive six seven\neight"
	if got := Reflow(in, 14); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASimilarNameIsAMisspellingOrALongerOne(t *testing.T) {
	names := []string{"csv", "odoo-csv", "phplist"}
	for word, want := range map[string]string{"phplst": "phplist", "odoo": "odoo-csv", "Odoo-cvs": "odoo-csv", "od": "", "mailman": ""} {
		if got := Similar(word, names); got != want {
			t.Errorf("Similar(%q) = %q, want %q", word, got, want)
		}
	}
}

// Strangers choose the names of domains and addresses, and an admin copies the command.
func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"hoster.example":      "hoster.example",
		"192.0.2.1":           "192.0.2.1",
		"":                    "''",
		"a;reboot.example":    "'a;reboot.example'",
		"$(reboot).example":   "'$(reboot).example'",
		"it's.example":        `'it'\''s.example'`,
		"two words.example":   "'two words.example'",
		"jane+1@example.com":  "jane+1@example.com",
		"a;id@example.com":    "'a;id@example.com'",
		"-f@example.com":      "'-f@example.com'",
		"a\x1b[2J@mx.example": `'a\x1b[2J@mx.example'`,
	} {
		if got := ShellQuote(in); got != want {
			t.Errorf("ShellQuote(%q) = %s, want %s", in, got, want)
		}
	}
}
