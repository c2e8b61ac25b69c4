package classify

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestListsOfTheLexiconHoldEachWordOnce(t *testing.T) {
	files, err := lexiconFiles.ReadDir("lexicon")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := lexiconFiles.ReadFile("lexicon/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		var lists map[string]string
		if err := yaml.Unmarshal(text, &lists); err != nil {
			t.Fatal(err)
		}
		for list, words := range lists {
			seen := make(map[string]bool)
			for w := range strings.SplitSeq(words, ",") {
				w = strings.TrimSpace(w)
				if seen[w] {
					t.Errorf("lexicon/%s: %s holds %q twice", f.Name(), list, w)
				}
				seen[w] = true
			}
		}
	}
}
