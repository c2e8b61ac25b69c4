package classify

import (
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Providers returns the slugs of all providers, sorted.
func Providers() []string { return slices.Sorted(maps.Keys(slugs)) }

// ProviderOf returns the slug of the provider whose own addresses are in a domain, such
// as gmail.com, or "".
func ProviderOf(domain string) string { return provider(domain) }

// Verdicts returns the combinations of category, disposition, reason and scope that
// the built-in rules give, sorted. A rule may give others, depending on the outcome.
func Verdicts() [][]string {
	rules, err := builtin()
	if err != nil {
		return nil // tests load them
	}
	found := make(map[[4]string][]string)
	for i := range rules {
		v := rules[i].Says.verdict(rules[i].ID)
		values := [4]string{string(v.Category), string(v.Disposition), string(v.Reason), string(v.Scope)}
		if v.Category != "" && v.Disposition != "" && v.Reason != "" && v.Scope != "" {
			found[values] = slices.Clone(values[:])
		}
	}
	unknown := [4]string{string(bounce.Unclassified), string(bounce.Retry), string(bounce.Unknown), string(bounce.ScopeRecipient)}
	found[unknown] = slices.Clone(unknown[:])
	return slices.SortedFunc(maps.Values(found), slices.Compare[[]string])
}
