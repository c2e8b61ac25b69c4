package classify

import (
	"fmt"
	"strings"
)

// Draft writes a rule to start from, for a reply of a shape.
func Draft(shape, example string) string {
	// The words between what varies, without the codes, make the expression.
	words := strings.FieldsFunc(shape, func(c rune) bool {
		return c == '#' || c == '<' || c == '>' || c == '[' || c == ']' || c == '(' || c == ')'
	})
	longest := ""
	for _, w := range words {
		w = strings.Trim(w, " 0123456789.:;,")
		if len(w) > len(longest) {
			longest = w
		}
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return fmt.Sprintf("- id: mine/CHANGE-ME\n  why: CHANGE ME into one sentence.\n  match: {any: [%s]}\n"+
		"  verdict: {category: CHANGE-ME, reason: CHANGE-ME, scope: CHANGE-ME, disposition: retry}\n  decides: [%s]\n  leaves: ['550 5.1.1 No such user']\n",
		quote(longest), quote(example))
}
