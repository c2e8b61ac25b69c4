package export

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/exports.md shows which addresses each format takes, as the code has it.
func TestPageShowsWhatEachFormatTakes(t *testing.T) {
	const path, begin, end = "../../docs/exports.md", "-update -->\n", "<!-- end -->"
	var table strings.Builder
	table.WriteString("| format | addresses in the file | why |\n| --- | --- | --- |\n")
	for _, f := range Formats {
		what, why := f.Takes()
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", f.Name, what, why)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), begin)
	old, after, found := strings.Cut(rest, end)
	switch {
	case !found:
		t.Fatalf("%s has no table between %q and %q", path, begin, end)
	case old == table.String():
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s shows\n%s\nwant\n%s", path, old, &table)
	}
}
