package address_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/address"
)

func TestAddressHasTheSpellingsOfItsDomain(t *testing.T) {
	for normal, want := range map[string][]string{
		"anna@b.example":                {"anna@b.example"},
		"jörg@xn--bcher-kva.example":    {"jörg@xn--bcher-kva.example", "jörg@bücher.example"},
		"a@mail.xn--bcher-kva.xn--p1ai": {"a@mail.xn--bcher-kva.xn--p1ai", "a@mail.bücher.рф"},
		"a@xn--strae-oqa.example":       {"a@xn--strae-oqa.example"}, // ß is folded to ss by some
		"a@xn--a.example":               {"a@xn--a.example"},
		"xn--a@b.example":               {"xn--a@b.example"},
		"info@xn--":                     {"info@xn--"}, // not "info@", a user at every domain
		"info@xn--.example":             {"info@xn--.example"},
		"root":                          {"root"},
		"":                              {""},
	} {
		if got := address.Spellings(normal); !slices.Equal(got, want) {
			t.Errorf("Spellings(%q) = %q, want %q", normal, got, want)
		}
	}
}

func TestAddressesAcceptedByOtherPrograms(t *testing.T) {
	for _, c := range []struct {
		address                  string
		oneLine, unquoted, plain bool
	}{
		{"anna@b.example", true, true, true},
		{"o'brien+x=1@b.example", true, true, true},
		{"jörg@bücher.example", true, true, true},
		{"用户@例子.example", true, true, true},
		{"a_b@sub_domain.example", true, true, true},
		{"a..b@b.example", true, true, false},
		{"a.@b.example", true, true, false},
		{".a@b.example", true, true, false},
		{strings.Repeat("a", 65) + "@b.example", true, true, false},
		{"fran\u212a@b.example", true, true, false},
		{"jİm@b.example", true, true, false},
		{`"a b"@b.example`, true, false, false},
		{`" or 1=1 or "@b.example`, true, false, false},
		{`a\b@b.example`, true, false, false},
		{"a b@b.example", true, false, false},
		{"a,b@b.example", true, false, false},
		{"a@b@c.example", true, false, false},
		{"<a@b.example>", true, false, false},
		{"a@[192.0.2.1]", true, false, false},
		{"a@b..example", true, false, false},
		{"a@b.example.", true, false, false},
		{"a@b.exam\"ple", true, false, false},
		{"root", true, false, false},
		{"@b.example", true, false, false},
		{"a@", true, false, false},
		{"", true, false, false},
		{"a\u00a0b@b.example", true, false, false},
		{"a\u202eb@b.example", true, false, false},
		{"a\xffb@b.example", false, false, false},
		{"a\nb@b.example", false, false, false},
		{"a\rb@b.example", false, false, false},
		{"a\x00b@b.example", false, false, false},
		{"a\x1b[2J@b.example", false, false, false},
		{"a\u0085b@b.example", false, false, false},
		{"a\u2028b@b.example", false, false, false},
	} {
		for name, got := range map[string][2]bool{
			"OneLine":  {address.OneLine(c.address), c.oneLine},
			"Unquoted": {address.Unquoted(c.address), c.unquoted},
			"Plain":    {address.Plain(c.address), c.plain},
		} {
			if got[0] != got[1] {
				t.Errorf("%s(%q) = %v, want %v", name, c.address, got[0], got[1])
			}
		}
	}
}
