package report

import "encoding/json"

// verdictChangesJSON is what JSON shows of the changes.
type verdictChangesJSON struct {
	Judged  int                `json:"judged"`
	Changed int                `json:"changed"`
	Bad     int                `json:"held_against_the_address"`
	Good    int                `json:"no_longer_held_against_the_address"`
	Groups  []verdictGroupJSON `json:"changes"`
}

// verdictGroupJSON is one change of verdicts.
type verdictGroupJSON struct {
	N          int    `json:"count"`
	Before     string `json:"before"`
	RuleBefore string `json:"rule_before"`
	Now        string `json:"now"`
	Rule       string `json:"rule"`
	Example    string `json:"example"`
}

// Object is what JSON shows of the changes, the most frequent first.
func (c *VerdictChanges) Object() any {
	groups := []verdictGroupJSON{}
	for _, k := range c.keys() {
		groups = append(groups, verdictGroupJSON{c.by[k].n, k.before, k.ruleBefore, k.now, k.rule, c.by[k].example})
	}
	return verdictChangesJSON{c.n, c.changed, c.bad, c.good, groups}
}

// MarshalJSON returns Object in JSON.
func (c *VerdictChanges) MarshalJSON() ([]byte, error) { return json.Marshal(c.Object()) }

// UnmarshalJSON reads what MarshalJSON returned.
func (c *VerdictChanges) UnmarshalJSON(data []byte) error {
	var o verdictChangesJSON
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	*c = VerdictChanges{n: o.Judged, changed: o.Changed, bad: o.Bad, good: o.Good, by: make(map[change]*changed, len(o.Groups))}
	for _, g := range o.Groups {
		c.by[change{g.Before, g.Now, g.RuleBefore, g.Rule}] = &changed{g.N, g.Example}
	}
	return nil
}
