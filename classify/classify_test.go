package classify_test

import (
	"testing"

	"github.com/bouncetail/bouncetail/classify"
)

func TestRulesHoldTheirExamples(t *testing.T) {
	if _, err := classify.New(""); err != nil {
		t.Fatal(err)
	}
}
