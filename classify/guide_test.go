package classify_test

import (
	"os"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/classify"
)

func TestEveryRowOfTheGuideComesBack(t *testing.T) {
	text, err := os.ReadFile("guide.tsv")
	if err != nil {
		t.Fatal(err)
	}
	categories := make(map[string][]string)
	for row := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		pair := strings.TrimSpace(f[1] + " " + f[2])
		categories[pair] = append(categories[pair], f[0])
	}
	c := builtin(t)
	for pair, want := range categories {
		d := classify.Delivery(pair)
		got := string(c.Verdict(&d).Category)
		agrees := strings.Contains(strings.Join(want, " "), got)
		reason, excepted := classify.GuideErrs[pair]
		switch {
		case !agrees && !excepted:
			t.Errorf("%s: %s by %s, but the guide has %s", pair, got, c.Verdict(&d).Rule, want)
		case agrees && excepted:
			t.Errorf("%s agrees with the guide, but stands in GuideErrs (%s)", pair, reason)
		}
	}
}
