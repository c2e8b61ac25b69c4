package privacy

import (
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestAddressesAreTakenOutOfTexts(t *testing.T) {
	people := NewTraces([]bounce.Address{
		{Normal: "jane@example.com", Domain: "example.com"},
		{Normal: "joe.x@xn--bcher-kva.example", Domain: "xn--bcher-kva.example"},
		{Normal: "root"},
	}, []string{"joe.x@bücher.example"})
	for text, want := range map[string]string{
		"550 5.1.1 <Jane@Example.COM>: user unknown":      "550 5.1.1 <[forgotten]>: user unknown",
		"550 No such user jane@example.com.":              "550 No such user [forgotten].",
		"jane@example.com":                                "[forgotten]",
		"rcpt=jane@example.com, relay=none":               "rcpt=[forgotten], relay=none",
		"„jane@example.com“ is unknown":                   "„[forgotten]“ is unknown",
		"jane@example.com, jane@example.com":              "[forgotten], [forgotten]",
		"list-bounces+jane=example.com@lists.example":     "list-bounces+[forgotten]@lists.example",
		"list-return-17-jane=example.com@lists.example":   "list-return-17-[forgotten]@lists.example",
		"SRS0=Xy1z=AB=example.com=jane@forward.example":   "SRS0=Xy1z=AB=[forgotten]@forward.example",
		"https://help.example/?to=jane%40example.com&x=1": "https://help.example/?to=[forgotten]&x=1",
		"https://help.example/?%3Cjane%40example.com%3E":  "https://help.example/?%3C[forgotten]%3E",
		"<Joe.X@BÜCHER.example> gone":                     "<[forgotten]> gone",
		"joe.x@xn--bcher-kva.example":                     "[forgotten]",
		"<root>":                                          "[forgotten]",
		// Others, and words.
		"maryjane@example.com":         "maryjane@example.com",
		"mary.jane@example.com":        "mary.jane@example.com",
		"jane@example.com.au":          "jane@example.com.au",
		"jane@example.community":       "jane@example.community",
		"jane@sub.example.com":         "jane@sub.example.com",
		"x-maryjane=example.com@l.org": "x-maryjane=example.com@l.org",
		"no mailbox jane here":         "no mailbox jane here",
		"the root of it":               "the root of it",
		"a = b @ c %40":                "a = b @ c %40",
		"@":                            "@",
		"":                             "",
	} {
		got, found := people.Scrub(text)
		if got != want || found != (text != want) {
			t.Errorf("scrub(%q): %q, %v; want %q", text, got, found, want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("550 <jane@example.com>")
	f.Add("İjane=example.com=jane%40example.com")
	people := NewTraces([]bounce.Address{{Normal: "jane@example.com", Domain: "example.com"}, {Normal: "j@e", Domain: "e"}}, nil)
	f.Fuzz(func(t *testing.T, text string) {
		once, found := people.Scrub(text)
		if found == (once == text) {
			t.Errorf("scrub(%q): %q, %v", text, once, found)
		}
	})
}
