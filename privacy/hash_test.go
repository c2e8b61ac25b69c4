package privacy_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/privacy"
)

func newHasher(t testing.TB, key string) *privacy.Hasher {
	t.Helper()
	h, err := privacy.NewHasher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const key = "an example of a key"

// hashed is what other programs make of an address with the key.
func hashed(normal string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(normal))
	return "h-" + hex.EncodeToString(mac.Sum(nil))[:32]
}

func TestAddressesAreHashedByTheirNormalSpelling(t *testing.T) {
	h := newHasher(t, key)
	for logged, want := range map[string]string{
		"jane@example.com":     "h-864fb6bb1a508c83301e91fc17adc8a6@example.com", // as docs/privacy.md has it
		"<Jane@Example.COM>":   hashed("jane@example.com") + "@example.com",
		"jane@Bücher.example":  hashed("jane@xn--bcher-kva.example") + "@xn--bcher-kva.example",
		`"jane doe"@b.example`: hashed(`"jane doe"@b.example`) + "@b.example",
		"root":                 hashed("root"),
		"":                     "",
		"h-0123456789abcdef0123456789abcdef@example.com":  "h-0123456789abcdef0123456789abcdef@example.com",
		"H-0123456789ABCDEF0123456789abcdef@Example.com":  "h-0123456789abcdef0123456789abcdef@example.com",
		"h-0123456789abcdef0123456789abcdef":              "h-0123456789abcdef0123456789abcdef",
		"h-0123456789abcdef0123456789abcdefx@example.com": hashed("h-0123456789abcdef0123456789abcdefx@example.com") + "@example.com",
		"h-0123456789abcdef0123456789abcde@example.com":   hashed("h-0123456789abcdef0123456789abcde@example.com") + "@example.com",
	} {
		got := h.Address(logged)
		if got != want {
			t.Errorf("Address(%q) = %q, want %q", logged, got, want)
		}
		if again := h.Address(got); again != got {
			t.Errorf("Address(%q) = %q, want it left alone", got, again)
		}
	}
}

func TestAKeyHasToBeLong(t *testing.T) {
	if _, err := privacy.NewHasher([]byte("fifteen letters")); err == nil {
		t.Error("NewHasher takes a key of 15 bytes")
	}
	if a, b := newHasher(t, key), newHasher(t, key+"2"); a.ID() == b.ID() || a.ID() <= 0 || a.Address("a@b") == b.Address("a@b") {
		t.Errorf("two keys: ids %d and %d, hashes %s and %s", a.ID(), b.ID(), a.Address("a@b"), b.Address("a@b"))
	}
}

func TestAnEventIDKeepsItsStampAndNothingElse(t *testing.T) {
	h := newHasher(t, key)
	id := bounce.NewEventID(77, "a line")
	got := h.EventID(id)
	if !bytes.Equal(got[:4], id[:4]) || bytes.Equal(got[4:], id[4:]) || got != h.EventID(id) {
		t.Errorf("EventID(%s) = %s, then %s", id, got, h.EventID(id))
	}
}

func TestWhatIsSealedIsReadWithTheSameKeyAlone(t *testing.T) {
	h := newHasher(t, key)
	sealed := h.Seal([]byte("jane@example.com"))
	if bytes.Contains(sealed, []byte("jane")) {
		t.Errorf("Seal: %q", sealed)
	}
	if got, err := h.Open(sealed); err != nil || string(got) != "jane@example.com" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if got, err := newHasher(t, "another key of bytes").Open(sealed); err == nil {
		t.Errorf("Open with another key = %q", got)
	}
	if got, err := h.Open(h.Seal(nil)); err != nil || got != nil {
		t.Errorf("nothing comes back as %q, %v", got, err)
	}
}

func TestAddressesInTextsAreHashed(t *testing.T) {
	h := newHasher(t, key)
	// What stands in {} is an address of which the hash is wanted, without the
	// domain.
	for text, want := range map[string]string{
		"550 5.1.1 <Jane@Example.COM>: user unknown":         "550 5.1.1 <{jane@example.com}@Example.COM>: user unknown",
		"550 No such user jane@example.com.":                 "550 No such user {jane@example.com}@example.com.",
		"jane@example.com, (joe@example.com)":                "{jane@example.com}@example.com, ({joe@example.com}@example.com)",
		"rcpt=jane@example.com; user=3Djane@example.com":     "rcpt={jane@example.com}@example.com; user=3D{jane@example.com}@example.com",
		"to='jane@example.com' mailto:jane@example.com":      "to='{jane@example.com}@example.com' mailto:{jane@example.com}@example.com",
		"„jane@example.com“ “joe@b.example”":                 "„{jane@example.com}@example.com“ “{joe@b.example}@b.example”",
		`user "jane@example.com" said "ja ne"@example.com`:   `user "{jane@example.com}@example.com" said {"ja ne"@example.com}@example.com`,
		`<"a\"b@c"@d.example>`:                               `<{"a\"b@c"@d.example}@d.example>`,
		"o'brien@b.example jürgen@bücher.example":            "{o'brien@b.example}@b.example {jürgen@xn--bcher-kva.example}@bücher.example",
		"jane+news@example.com jane@[192.0.2.1]: no":         "{jane+news@example.com}@example.com {jane@[192.0.2.1]}@[192.0.2.1]: no",
		"bounces+jane=example.com@lists.example":             "{bounces+jane=example.com@lists.example}@lists.example",
		"jane=3dprint.example@lists.example":                 "{jane=3dprint.example@lists.example}@lists.example",
		"SRS0=Xy1z=AB=example.com=jane@forward.example":      "{srs0=xy1z=ab=example.com=jane@forward.example}@forward.example",
		"to=prvs=1234abcd=jane@example.com":                  "to={prvs=1234abcd=jane@example.com}@example.com",
		"https://help.example/?to=jane%40example.com&x=1":    "https://help.example/?to={jane@example.com}%40example.com&x=1",
		"https://help.example/?%3Cjane%2Bx%40example.com%3E": "https://help.example/?%3C{jane+x@example.com}%40example.com%3E",
		"https://a.example/u?x=1&e=jane@example.com":         "https://a.example/u?x=1&e={jane@example.com}@example.com",
		"https://a.example/jane@example.com":                 "https://a.example/{jane@example.com}@example.com",
		`line\njane@example.com`:                             `line\n{jane@example.com}@example.com`,
		"**jane@example.com":                                 "**{jane@example.com}@example.com",
		"root@localhost":                                     "{root@localhost}@localhost",
		"a@b@c":                                              "{a@b}@b@c",
		// Nothing to hash.
		"450 4.2.0 try again in 40 s":     "450 4.2.0 try again in 40 s",
		"a = b @ c %40 @":                 "a = b @ c %40 @",
		"no mailbox jane here":            "no mailbox jane here",
		`"@example.com`:                   `"@example.com`,
		"user@ and @example.com and %40x": "user@ and @example.com and %40x",
		"":                                "",
	} {
		want := filled(want)
		got := h.Text(text)
		if got != want {
			t.Errorf("Text(%q)\n got %q\nwant %q", text, got, want)
		}
		if again := h.Text(got); again != got {
			t.Errorf("Text(%q) = %q, want it left alone", got, again)
		}
	}
}

// filled puts hashes in the place of addresses in {}.
func filled(text string) string {
	for {
		start := strings.IndexByte(text, '{')
		if start < 0 {
			return text
		}
		end := start + strings.IndexByte(text[start:], '}')
		text = text[:start] + hashed(text[start+1:end]) + text[end+1:]
	}
}

func TestNamesAreHashedInTheReplyAboutThem(t *testing.T) {
	h := newHasher(t, key)
	jane := "{jane@example.com}@example.com"
	for text, want := range map[string]string{
		`unknown user: "jane"`:                            `unknown user: "` + jane + `"`,
		"User JANE unknown, mailbox jane.":                "User " + jane + " unknown, mailbox " + jane + ".",
		"/var/mail/jane: denied; <jane>; user=jane":       "/var/mail/" + jane + ": denied; <" + jane + ">; user=" + jane,
		"bounce+jane=example.com and example.com=jane":    "bounce+" + jane + " and " + jane,
		"jane.doe, mary-jane, janet, jane@x, jane_x":      "jane.doe, mary-jane, janet, jane@x, jane_x",
		"see https://jane.example.com/ at mx@jane (jané)": "see https://jane.example.com/ at mx@jane (jané)",
		"İ JANE": "İ " + jane,
	} {
		want := filled(want)
		got := h.Name(text, "Jane@Example.com")
		if got != want {
			t.Errorf("Name(%q)\n got %q\nwant %q", text, got, want)
		}
		if again := h.Name(got, "Jane@Example.com"); again != got {
			t.Errorf("Name(%q) = %q, want it left alone", got, again)
		}
	}
	for _, c := range []struct{ to, text, want string }{
		{"jane+news@example.com", "no jane+news or jane here", "no {jane+news@example.com}@example.com or " + jane + " here"},
		{"al@example.com", "al is no name but al@example.com", "al is no name but al@example.com"}, // Text hashes the address
		{"550@example.com", "550 5.1.1 no", "550 5.1.1 no"},
		{"5551234567@example.com", "550 no 5551234567", "550 no {5551234567@example.com}@example.com"},
		{"jane", `unknown user: "jane"`, `unknown user: "{jane}"`},
		{"", "550 no", "550 no"},
		{"h-0123456789abcdef0123456789abcdef@example.com", "h-0123456789abcdef0123456789abcdef", "h-0123456789abcdef0123456789abcdef"},
	} {
		if got, want := h.Name(c.text, c.to), filled(c.want); got != want {
			t.Errorf("Name(%q, %q)\n got %q\nwant %q", c.text, c.to, got, want)
		}
	}
	got, want := h.Line("to=<jane@example.com>, status=odd (user jane)"), filled("to=<"+jane+">, status=odd (user "+jane+")")
	if got != want {
		t.Errorf("Line: %q, want %q", got, want)
	}
}

func TestAllPartsOfALocalPartAreHashed(t *testing.T) {
	h := newHasher(t, key)
	for text, want := range map[string]string{
		`to=<jane."van doe"@example.com>`:     `to=<{jane."van doe"@example.com}@example.com>`,
		`550 "jane doe"@example.com is gone`:  `550 {"jane doe"@example.com}@example.com is gone`,
		`user="jane doe"@example.com unknown`: `user={"jane doe"@example.com}@example.com unknown`,
	} {
		if got, want := h.Text(text), filled(want); got != want {
			t.Errorf("Text(%s)\n got %s\nwant %s", text, got, want)
		}
	}
}

func FuzzHiding(f *testing.F) {
	f.Add("550 <jane@example.com>: jane", "jane@example.com")
	f.Add(`"\"@x%40y=z@[1`, `"`)
	f.Add("https://x/?a@b", "//x")
	h := newHasher(f, key)
	f.Fuzz(func(t *testing.T, text, who string) {
		once := h.Text(text)
		if strings.Contains(text, `"`) || len(text) > 500 {
			return // a hash within stray quotation marks, or behind 512 bytes, is part of another address
		}
		if again := h.Text(once); again != once {
			t.Errorf("Text(%q) = %q, then %q", text, once, again)
		}
		h.Line(h.Name(text, who))
		h.Address(who)
	})
}
