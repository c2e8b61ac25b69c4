package cli

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

var updatePages = flag.Bool("update", false, "rewrite the generated pages")

// docs/categories.md is made from the tables in package bounce.
func TestPageOfCategoriesIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Categories and reasons\n\nMade from the tables in the code; a test keeps it current.\n\n## Categories\n\n| category | means | what to do |\n| --- | --- | --- |\n")
	for _, m := range bounce.Categories {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Slug, m.Means, m.Advice)
	}
	b.WriteString("\n## Reasons\n\nEach reason belongs to a category. `address bad` means that one bounce for this reason makes the address bad.\n\n| reason | means | address bad | what to do |\n| --- | --- | --- | --- |\n")
	for _, m := range bounce.Reasons {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Reason, m.Means, map[bool]string{true: "yes", false: ""}[m.AddressBad], m.Advice)
	}
	b.WriteString("\n## Scopes\n\n| scope | whose problem it is |\n| --- | --- |\n")
	for _, m := range bounce.Scopes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", m.Scope, m.Means)
	}
	current(t, "../docs/categories.md", b.String())
}
