package sqldb

import "testing"

func TestTextsAreBoundAsTheyAre(t *testing.T) {
	p := newParams(3)
	for _, row := range [][]any{{"", "a", int64(1)}, {"ab", nil, "ab"}, {"", "b", "abc"}} {
		p.n = 0
		for _, v := range row {
			if s, isText := v.(string); isText {
				p.AddText(s)
			} else {
				p.Add(v)
			}
		}
		for i, want := range row {
			if got := p.values[i].Value; got != want || p.values[i].Ordinal != i+1 {
				t.Errorf("parameter %d of %v is %v", i, row, got)
			}
		}
	}
}
