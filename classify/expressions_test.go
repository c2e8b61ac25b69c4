package classify_test

import (
	"testing"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

func TestExpressionsCompile(t *testing.T) {
	if lazyre.CompileAll() == 0 { // it panics if one does not
		t.Error("there are no expressions")
	}
}
