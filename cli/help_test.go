package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
)

func TestHelpFits80Columns(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &out}
	root := a.root()
	root.InitDefaultCompletionCmd()
	commands := append(all(root), root)
	if len(commands) < 40 {
		t.Fatalf("%d commands, want all of them", len(commands))
	}
	for _, c := range commands {
		if c.Parent() != nil && c.Parent().Name() == "completion" {
			continue // the library's own words
		}
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := text.Columns(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), n, line)
			}
		}
	}
}
