package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The layers: what each package of this program may import of it. A package
// that is not named here may import everything; cli puts all together.
var layers = map[string][]string{
	"address":             {"bounce"},
	"bounce":              {},
	"internal/atomicfile": {},
	"internal/backoff":    {},
	"internal/filelock":   {},
	"internal/health":     {},
	"classify":            {"bounce"},
	"config":              {},
	"export":              {"bounce"},
	"logparse":            {"bounce"},
	"pipeline":            {"address", "bounce", "internal/health"},
	"publish":             {"bounce"},
	"push":                {"bounce"},
	"queue":               {"bounce"},
	"sqlite":              {"bounce"},
	"tailer":              {"bounce", "internal/health"},
}

func TestEveryStageKnowsTheWordsAndNoSibling(t *testing.T) {
	const module = "github.com/bouncetail/bouncetail/"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Standard", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, layered := layers[name]
		if layered {
			seen++
		}
		for _, path := range p.Imports {
			imported, ours := strings.CutPrefix(path, module)
			if ours && layered && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s; it may import %v", name, imported, allowed)
			}
			if name == "bounce" && strings.Contains(path, ".") {
				t.Errorf("bounce imports %s; it may import the standard library alone", path)
			}
			if name != "config" && strings.HasPrefix(path, "github.com/spf13/viper") {
				t.Errorf("%s imports viper; config alone reads settings", name)
			}
		}
	}
	if want := len(layers); seen < want {
		t.Errorf("%d packages of %d found; has one been renamed?", seen, want)
	}
}
