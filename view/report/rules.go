package report

import (
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/view/table"
)

// RuleColumns are the columns of the list of rules.
var RuleColumns = []table.Column{
	{Key: "id", Long: true},
	{Key: "category", Keep: 2},
	{Key: "reason", Keep: 4},
	{Key: "disposition", Keep: 3},
	{Key: "why", Keep: 1, Wrap: true},
	{Key: "scope", More: true},
	{Key: "file", More: true},
}

// PrintRules prints the rules in the order in which they are asked.
func PrintRules(l *table.List, c *classify.Classifier) error {
	for _, r := range c.Rules() {
		object := map[string]any{
			"id": r.ID, "why": r.Why, "file": r.File, "category": r.Says.Category, "reason": r.Says.Reason,
			"scope": r.Says.Scope, "disposition": r.Says.Disposition, "decides": r.Decides, "leaves": r.Leaves,
		}
		if err := l.Row(
			object,
			r.ID,
			string(r.Says.Category),
			string(r.Says.Reason),
			string(r.Says.Disposition),
			r.Why,
			string(r.Says.Scope),
			r.File,
		); err != nil {
			return err
		}
	}
	return l.End("")
}

// CountRules returns the number of rules, of the admin's own, and of examples.
func CountRules(c *classify.Classifier) (rules, own, examples int) {
	for _, r := range c.Rules() {
		if r.Own {
			own++
		}
		examples += len(r.Decides) + len(r.Leaves)
	}
	return len(c.Rules()), own, examples
}
