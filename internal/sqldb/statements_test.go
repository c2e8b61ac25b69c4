package sqldb

import "testing"

type builtText string

func (b builtText) AppendText(to []byte) ([]byte, error) { return append(to, b...), nil }

func TestParametersAreBoundAsTheyAre(t *testing.T) {
	p := newParams(3)
	for _, row := range [][]any{
		{"", "a", int64(1)}, {"ab", nil, "ab"}, {int64(-5), "b", "abc"}, {builtText("one"), builtText(""), builtText("other")}, {true, builtText("x"), int64(1 << 62)},
	} {
		p.reset()
		for i, v := range row {
			switch v := v.(type) {
			case string:
				p.AddText(v)
			case int64:
				p.AddNumber(v)
			case builtText:
				p.AddBuilt(v)
				row[i] = string(v)
			default:
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

func TestBindingTextsAndNumbersAllocatesNothing(t *testing.T) {
	type row struct {
		text   string
		number int64
		built  builtText
	}
	columns := Columns[row]{
		Required("text", func(r *row) any { return &r.text }), Optional("number", func(r *row) any { return &r.number }),
		Required("built", func(r *row) any { return &r.built }),
	}
	p, r := newParams(len(columns)), row{"a text", 123456, "built"}
	columns.Bind(&p, &r)
	if n := testing.AllocsPerRun(10, func() { p.reset(); columns.Bind(&p, &r) }); n > 0 {
		t.Errorf("binding a row allocates %v times", n)
	}
}
