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
