package logparse

import "github.com/bouncetail/bouncetail/internal/lazyre"

// groups gives the named groups of a match as strings.
type groups struct {
	re *lazyre.Regexp
	in string
	at []int
}

func match(re *lazyre.Regexp, in string) (groups, bool) {
	at := re.FindStringSubmatchIndex(in)
	return groups{re, in, at}, at != nil
}

// raw returns a group as it is in the line.
func (g groups) raw(name string) string {
	i := 2 * g.re.SubexpIndex(name)
	if g.at[i] < 0 {
		return ""
	}
	return g.in[g.at[i]:g.at[i+1]]
}

func (g groups) text(name string) string { return clean(g.raw(name)) }

func (g groups) address(name string) string { return cleanAddress(g.raw(name)) }

func (g groups) has(name string) bool { return g.at[2*g.re.SubexpIndex(name)] >= 0 }
