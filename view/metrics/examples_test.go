package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

const examples = "../../docs/examples/"

func TestRulesFireAndStayQuiet(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: no promtool here; run: apt-get install prometheus")
	}
	for _, args := range [][]string{
		{"check", "rules", examples + "prometheus-rules.yml"},
		{"test", "rules", examples + "prometheus-rules.test.yml"},
		{"check", "config", "--syntax-only", examples + "scrape.yml"},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Every metric that a rule or the board names must exist.
func TestExamplesNameMetricsThatExist(t *testing.T) {
	known := make(map[string]bool)
	for i := range bounce.Metrics {
		name := fullName(&bounce.Metrics[i])
		known[name] = true
		if bounce.Metrics[i].Type == bounce.Histogram {
			known[name+"_bucket"] = true
		}
	}
	for _, file := range []string{"prometheus-rules.yml", "grafana.json"} {
		text, err := os.ReadFile(filepath.Join(examples, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is not JSON", file)
		}
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return r != '_' && (r < 'a' || 'z' < r) && (r < '0' || '9' < r) && r != ':' }) {
			if strings.HasPrefix(word, prefix) && !known[word] {
				t.Errorf("%s names %s, which does not exist", file, word)
			}
		}
	}
}
