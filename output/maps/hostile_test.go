package maps

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/cases"

	"github.com/bouncetail/bouncetail/bounce"
)

// Each address chosen by an attacker is a key that matches only itself, or is left out.
func TestHostileAddressesMatchOnlyThemselves(t *testing.T) {
	hostile := []string{
		`" or 1=1 or "@evil.example`, `a\@evil.example`, "a\nb@evil.example", "two\r\nREJECT@evil.example", "a\x00b@evil.example",
		"a b@evil.example", "a\tOK@evil.example", "@evil.example", "root", "evil.example@", "", "<a@evil.example>",
		"stra\u00dfe@evil.example", "fran\u212a@evil.example", "jİm@evil.example", "σίσυφος@evil.example",
		strings.Repeat("a", 400) + "@evil.example",
	}
	good := []string{
		"#note@evil.example", "a:b@evil.example", "o'brien+x=1@evil.example", "=1+1@evil.example", "$(reboot)@evil.example",
		"${run{id}}@evil.example", "a,b@evil.example", "jörg@xn--bcher-kva.example", "ärger@evil.example", "a..b@evil.example",
		"info@xn--", "info@xn--.example", // their domains in letters are "" and ".example"
	}
	from, log := &list{}, &bytes.Buffer{}
	since := "2026-11-20T09:00:00.000Z"
	for _, a := range append(slices.Clone(hostile), good...) {
		from.bad = append(from.bad, bounce.Recipient{Recipient: a, Reason: bounce.NoSuchUser, BadSince: &since})
	}
	p := newPublisher(filepath.Join(t.TempDir(), "maps"), from, log)
	p.Maps = []string{"access", "transport", "exim"}
	result, err := p.Publish(t.Context())
	if err != nil || result.Addresses != len(good) || result.LeftOut != len(hostile) {
		t.Fatalf("Publish() = %+v, %v; want %d addresses and %d left out", result, err, len(good), len(hostile))
	}
	var want []string
	for _, a := range good {
		want = append(want, a)
		if a == "jörg@xn--bcher-kva.example" {
			want = append(want, "jörg@bücher.example")
		}
	}
	for file, separator := range map[string]string{"access": "\t", "transport": "\t", "exim": ": "} {
		var keys []string
		for _, line := range lines(t, p.Dir, file) {
			key, said, found := strings.Cut(line, separator)
			if !found || !strings.HasSuffix(said, "5.1.1 Bounces: no-such-user since 2026-11-20 [bouncetail]\n") {
				t.Errorf("%s has the line %q", file, line)
			}
			key = strings.Trim(key, `"`)
			if fold := cases.Fold().String(key); fold != key {
				t.Errorf("%s: Postfix treats %q as %q", file, key, fold)
			}
			keys = append(keys, key)
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%s has the keys\n%q\nwant\n%q", file, keys, want)
		}
	}
}
