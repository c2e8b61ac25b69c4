package migrations

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// steps are the statements of each step, as hashes. Add a line for a new step. A line that
// is there never changes: databases that have taken the step would lack what is added to it.
var steps = []string{
	"02cbbc4136d67bab",
	"39861efc92a48340",
	"1104ddf9c72c3db0",
	"032f1b0f76c9e48b",
	"15b077a6f5bce8bc",
	"f3bef16dfac77ced",
	"e1933b727e7e4059",
	"a22fc7aa2a43123a",
	"08eb25a076d9e227",
	"a12a0edd557028be",
	"ed8d4cde73dfd9d5",
	"2f3c5ed8c2fc3336",
	"1aba5c5980057b25",
	"388825be4812c583",
	"5c02db5146c01ed6",
	"f4771a6516d120d8",
	"153bdd04f80dd8f7",
}

var comments = regexp.MustCompile(`--.*`)

func TestStepsNeverChange(t *testing.T) {
	all := All()
	if len(all) != len(steps) {
		t.Errorf("%d steps, and %d hashes of them", len(all), len(steps))
	}
	for i, step := range all {
		statements := strings.Join(strings.Fields(comments.ReplaceAllString(step.SQL, "")), " ")
		got := fmt.Sprintf("%x", sha256.Sum256([]byte(statements)))[:16]
		if i >= len(steps) || got != steps[i] {
			t.Errorf("%s has the hash %s; change the schema by a new step, and do not edit this one", step.Name, got)
		}
	}
}
