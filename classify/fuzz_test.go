package classify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
)

// Rules of the admin's own may hold any mistake; each has to be an error.
func FuzzRules(f *testing.F) {
	f.Add("- id: mine/tarpit\n  why: Ours.\n  match: {any: ['tarpit nr']}\n  verdict: {category: rate-limit, reason: rate-limited, scope: sender, disposition: retry}\n  decides: ['450 Tarpit nr 17']\n  leaves: ['550 5.1.1 No such user']\n")
	f.Add("- {id: [}")
	f.Add("- id: &a x\n  why: *a\n  match: {any: ['(']}\n")
	f.Add("a: b")
	folder := f.TempDir()
	path := filepath.Join(folder, "mine.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := classify.New(folder)
		if err != nil {
			if !strings.Contains(err.Error(), "mine.yaml") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		d := classify.Delivery("550 5.1.1 No such user")
		if v := c.Verdict(&d); v.Category == "" {
			t.Errorf("no verdict with the rules %q", text)
		}
	})
}

// The other side writes the reply.
func FuzzVerdict(f *testing.F) {
	for _, reply := range []string{
		"550 5.1.1 No such user", "421 4.7.0 try again later", "554 5.7.1 Blocked, see https://x.example/?ip=192.0.2.1",
		"550-5.7.26 a b\n550 5.7.26 c", "451 4.7.1 Greylisted for 300 seconds", "said: 550 (in reply to RCPT TO command)", "",
	} {
		f.Add(reply)
	}
	c, err := classify.New("")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		d := classify.Delivery(reply)
		v := c.Verdict(&d)
		if v != c.Verdict(&d) {
			t.Errorf("%q is judged in two ways", reply)
		}
		if e := c.Explain(&d); e.Verdict != v {
			t.Errorf("%q: the explanation has %+v, the verdict is %+v", reply, e.Verdict, v)
		}
		if v.Category == "" || v.Reason == "" || v.Disposition == "" || v.Rule == "" {
			t.Errorf("%q: a verdict with holes: %+v", reply, v)
		}
		d.Outcome = bounce.Deferred
		if v := c.Verdict(&d); v.Suppress || v.Disposition != bounce.Retry {
			t.Errorf("%q, deferred: %+v; a deferred delivery is tried again and says nothing against the address", reply, v)
		}
	})
}
