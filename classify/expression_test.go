package classify

import (
	"bytes"
	"os"
	"testing"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/volume"
)

func TestExpressionsCompile(t *testing.T) {
	if lazyre.CompileAll() == 0 { // it panics if one does not
		t.Error("there are no expressions")
	}
}

func TestLiteralsTurnAwayNoTextThatAnExpressionMatches(t *testing.T) {
	c, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := os.ReadFile("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for line := range bytes.Lines(vectors) {
		texts = append(texts, Shape(string(line)))
	}
	expressions := []expression{usedList, blocklistNames}
	for i := range c.rules {
		r := &c.rules[i]
		expressions = append(expressions, r.any...)
		expressions = append(expressions, r.not...)
		for _, reply := range r.Decides {
			texts = append(texts, Shape(reply))
		}
	}
	matched, turnedAway := 0, 0
	for k, text := range texts {
		if k%volume.Of(3, 1) != 0 {
			continue
		}
		has := trigramsOf(text)
		for i := range expressions {
			e := &expressions[i]
			possible := e.possible(text, has)
			switch {
			case e.re.MatchString(text):
				if matched++; !possible {
					t.Errorf("%q is turned away, and %q matches it", text, e.pattern)
				}
			case !possible:
				turnedAway++
			}
		}
	}
	if matched < 1000 || turnedAway < 50*matched {
		t.Errorf("%d matched, %d turned away", matched, turnedAway)
	}
	t.Logf("%d texts, %d expressions: %d matched, %d turned away", len(texts), len(expressions), matched, turnedAway)
}
