package address_test

import (
	"testing"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

func TestSpellings(t *testing.T) {
	for logged, want := range map[string]bounce.Address{
		"anna@b.example":              {Normal: "anna@b.example", Domain: "b.example"},
		"Anna@B.Example":              {Normal: "anna@b.example", Domain: "b.example", Logged: "Anna@B.Example"},
		"<anna@b.example>":            {Normal: "anna@b.example", Domain: "b.example"},
		"anna@Bücher.example":         {Normal: "anna@xn--bcher-kva.example", Domain: "xn--bcher-kva.example", Logged: "anna@Bücher.example"},
		"anna@b.example.":             {Normal: "anna@b.example", Domain: "b.example", Logged: "anna@b.example."},
		"anna@b.example..":            {Normal: "anna@b.example..", Domain: "b.example.."},
		"..@..":                       {Normal: "..@..", Domain: ".."},
		`"a@b, c"@d.example`:          {Normal: `"a@b, c"@d.example`, Domain: "d.example"},
		"root":                        {Normal: "root"},
		"ÄRGER@b.example":             {Normal: "ärger@b.example", Domain: "b.example", Logged: "ÄRGER@b.example"},
		"JİM@b.example":               {Normal: "jİm@b.example", Domain: "b.example", Logged: "JİM@b.example"},
		"fran\u212a@b.example":        {Normal: "fran\u212a@b.example", Domain: "b.example"},
		"v@bank\u3002example":         {Normal: "v@bank\u3002example", Domain: "bank\u3002example"},
		"v@\uff42ank.example":         {Normal: "v@\uff42ank.example", Domain: "\uff42ank.example"},
		"v@ban\u212a.example":         {Normal: "v@ban\u212a.example", Domain: "ban\u212a.example"},
		"v@ban\u212a_x.example":       {Normal: "v@ban\u212a_x.example", Domain: "ban\u212a_x.example"},
		"v@B\u00fccher\uff0eexample":  {Normal: "v@b\u00fccher\uff0eexample", Domain: "b\u00fccher\uff0eexample", Logged: "v@B\u00fccher\uff0eexample"},
		"v@XN--BCHER-KVA.example":     {Normal: "v@xn--bcher-kva.example", Domain: "xn--bcher-kva.example", Logged: "v@XN--BCHER-KVA.example"},
		"anna@[192.0.2.1]":            {Normal: "anna@[192.0.2.1]", Domain: "[192.0.2.1]"},
		"anna@not_a_host.example":     {Normal: "anna@not_a_host.example", Domain: "not_a_host.example"},
		"anna@NOT_\x80A_HOST.example": {Normal: "anna@not_\ufffda_host.example", Domain: "not_\ufffda_host.example", Logged: "anna@NOT_\x80A_HOST.example"},
	} {
		if got := address.Parse(logged); got != want {
			t.Errorf("Parse(%q) = %+v, want %+v", logged, got, want)
		}
		// What is stored can be asked for.
		if got := address.Parse(want.Normal); got.Normal != want.Normal {
			t.Errorf("Parse(%q) = %+v, want the same address", want.Normal, got)
		}
	}
}

func TestEveryByteIsNormalizedAtEveryIndex(t *testing.T) {
	const text = "anna+list@mail.b.example"
	for length := 1; length <= len(text); length++ {
		for at := range length {
			for c := range 256 {
				logged := []byte(text[len(text)-length:])
				logged[at] = byte(c)
				want := 'A' <= c && c <= 'Z' || c >= 0x80
				if got := address.Parse(string(logged)); want != (got.Normal != string(logged)) && c != '<' && c != '>' && c != '.' {
					t.Errorf("Parse(%q) = %+v", logged, got)
				}
			}
		}
	}
}
