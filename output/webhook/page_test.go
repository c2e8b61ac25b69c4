package webhook

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// block returns the block of docs/webhooks.md in a language.
func block(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("docs/webhooks.md has no block of %s", language)
	}
	return string(m[1])
}

func TestPageShowsWhatIsSent(t *testing.T) {
	f := newFixture(t)
	f.save("gone")
	f.run()
	keys := func(text string) []string {
		var body struct {
			Webhook    string
			Recipients []map[string]any
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil || len(body.Recipients) != 1 || body.Webhook != "crm" {
			t.Fatalf("%v in %s", err, text)
		}
		return slices.Sorted(maps.Keys(body.Recipients[0]))
	}
	if got, want := keys(block(t, "json")), keys(f.bodies[0]); !slices.Equal(got, want) {
		t.Errorf("docs/webhooks.md shows the keys %q, sent are %q", got, want)
	}
}

func TestPageVerifiesSignatures(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 to run the example of docs/webhooks.md")
	}
	program := filepath.Join(t.TempDir(), "genuine.py")
	text := block(t, "python") + "\nimport sys\nprint(genuine(sys.argv[1].encode(), sys.argv[2], sys.argv[3].encode()))\n"
	if err := os.WriteFile(program, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, c := range map[string]struct{ secret, header, body, want string }{
		"genuine":      {"hunter2", Sign("hunter2", now, []byte(`{"ü":1}`)), `{"ü":1}`, "True\n"},
		"other body":   {"hunter2", Sign("hunter2", now, []byte(`{"a":1}`)), `{"a":2}`, "False\n"},
		"other secret": {"hunter3", Sign("hunter2", now, []byte(`{"a":1}`)), `{"a":1}`, "False\n"},
		"old":          {"hunter2", Sign("hunter2", now.Add(-time.Hour), []byte(`{"a":1}`)), `{"a":1}`, "False\n"},
	} {
		out, err := exec.CommandContext(t.Context(), python, program, c.secret, c.header, c.body).CombinedOutput()
		if err != nil || string(out) != c.want {
			t.Errorf("%s: %v, %s; want %s", name, err, out, c.want)
		}
	}
}
