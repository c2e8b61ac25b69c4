package logparse

import (
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestEveryMTAHasAGrammar(t *testing.T) {
	var names []string
	for _, g := range grammars {
		names = append(names, string(g.mta))
	}
	if !slices.Equal(names, bounce.MTAs) {
		t.Errorf("grammars has %q, want bounce.MTAs, %q", names, bounce.MTAs)
	}
}
