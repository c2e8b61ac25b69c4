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

// layers lists what each package may import of this module. Packages that are
// not listed put the others together and may import everything. Every package
// may import those below internal/, which import nothing of this module.
var layers = map[string][]string{
	"bounce":  {},
	"address": {"bounce"},

	// The way of a line, in order.
	"tailer":    {"bounce"},
	"logparse":  {"bounce"},
	"queue":     {"bounce"},
	"classify":  {"bounce"},
	"recipient": {"bounce"},
	"tally":     {"bounce"},
	"sqlite":    {"address", "bounce", "privacy", "recipient", "sqlite/counters", "sqlite/dbfile", "sqlite/packed", "sqlite/query", "sqlite/scrub", "sqlite/taken", "tally"},
	"pipeline":  {"address", "bounce", "privacy", "recipient"},

	"incident": {"bounce"},

	// The parts of the database that are not its writer.
	"sqlite/migrations": {},
	"sqlite/dbfile":     {"sqlite/migrations"},
	"sqlite/scrub":      {"privacy"},
	"sqlite/taken":      {"bounce", "sqlite/query"},
	"sqlite/counters":   {"bounce", "sqlite/packed", "tally"},
	"sqlite/packed":     {"bounce"},
	"sqlite/query":      {"bounce", "recipient", "sqlite/dbfile", "sqlite/packed", "tally"},
	"sqlite/incidents":  {"bounce", "incident", "sqlite/dbfile", "sqlite/query"},
	"sqlite/outbox":     {"bounce", "sqlite/dbfile", "sqlite/query"},
	"sqlite/feed":       {"bounce", "recipient", "sqlite/dbfile", "sqlite/packed", "sqlite/query"},

	"config":         {"bounce"},
	"privacy":        {"address", "bounce"},
	"view/chart":     {},
	"view/page":      {"view/chart", "view/table"},
	"view/filter":    {"address", "bounce", "recipient", "sqlite/query"},
	"view/login":     {},
	"view/manual":    {},
	"view/table":     {},
	"view/report":    {"bounce", "classify", "incident", "logparse", "recipient", "sqlite/incidents", "sqlite/query", "tally", "view/chart", "view/page", "view/table"},
	"view/metrics":   {"bounce", "classify", "incident", "sqlite/incidents", "sqlite/query"},
	"view/web":       {"address", "bounce", "classify", "incident", "recipient", "sqlite/incidents", "sqlite/query", "view/chart", "view/filter", "view/login", "view/metrics", "view/page", "view/report", "view/table"},
	"view/fleet":     {"bounce", "incident", "output/fleet", "recipient", "sqlite/incidents", "sqlite/query", "view/table"},
	"output/export":  {"address", "bounce"},
	"output/fleet":   {"bounce", "recipient", "sqlite/feed", "sqlite/packed", "sqlite/query"},
	"output/mail":    {},
	"output/maps":    {"address", "bounce"},
	"output/notify":  {"output/mail", "output/webhook"},
	"output/webhook": {"address", "bounce"},
}

func TestLayers(t *testing.T) {
	const module = "github.com/bouncetail/bouncetail/"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := make(map[string]bool)
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
		allowed, listed := layers[name]
		internal := strings.HasPrefix(name, "internal/")
		found[name] = true
		for _, path := range p.Imports {
			imported, ours := strings.CutPrefix(path, module)
			switch {
			case ours && internal:
				t.Errorf("%s imports %s; packages below internal/ import nothing of this module", name, imported)
			case ours && listed && !strings.HasPrefix(imported, "internal/") && !slices.Contains(allowed, imported):
				t.Errorf("%s imports %s; it may import %v", name, imported, allowed)
			case path == "unsafe" && !internal && name != "doctor":
				t.Errorf("%s imports unsafe; only packages below internal/ and doctor (a system call) may", name)
			case name == "view/chart" && strings.Contains(path, "."):
				t.Errorf("view/chart imports %s; it may import the standard library", path)
			case name == "bounce" && (strings.Contains(path, ".") || path == "log/slog"):
				t.Errorf("bounce imports %s; it may import the standard library, without log/slog", path)
			case name != "config" && strings.HasPrefix(path, "github.com/spf13/viper"):
				t.Errorf("%s imports viper; only config reads settings", name)
			}
		}
	}
	for name := range layers {
		if !found[name] {
			t.Errorf("there is no package %s; change layers if it was renamed", name)
		}
	}
}
