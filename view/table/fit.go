package table

import (
	"slices"

	"github.com/bouncetail/bouncetail/internal/text"
)

// shortest is the width to which a long column is cut before another is dropped.
const shortest = 18

// fit returns the widths of the columns, 0 for one that is dropped: long ones are
// cut first, the last of them most, then columns are dropped by what they are worth.
// The first column names the row, so that others are dropped before it is cut. More than
// two thirds of the screen are not spared for it.
func (l *List) fit() []int {
	full := make([]int, len(l.chosen))
	for i, c := range l.chosen {
		full[i] = text.Columns(l.heading(c))
		for _, row := range l.table {
			full[i] = max(full[i], text.Columns(row[i].text))
		}
	}
	if l.screen.Width == 0 {
		return full
	}
	dropped := make([]bool, len(full))
	for {
		widths, total := slices.Clone(full), -2
		for i := range widths {
			if dropped[i] {
				widths[i] = 0
				continue
			}
			total += widths[i] + 2
		}
		total -= l.narrow(widths, dropped, total-l.screen.Width)
		worst := -1
		for i, c := range l.chosen {
			if keep := l.cols[c].Keep; !dropped[i] && keep > 0 && (worst < 0 || keep < l.cols[l.chosen[worst]].Keep) {
				worst = i
			}
		}
		for i := len(widths) - 1; i >= 0 && total > l.screen.Width; i-- {
			least := shortest
			if i == 0 && worst >= 0 {
				least = max(shortest, l.screen.Width*2/3)
			}
			if l.cols[l.chosen[i]].Long && widths[i] > least {
				less := min(widths[i]-least, total-l.screen.Width)
				widths[i] -= less
				total -= less
			}
		}
		if total <= l.screen.Width || worst < 0 {
			return widths
		}
		dropped[worst] = true
	}
}

// narrow makes the columns that are wrapped narrower, the widest first, by as much as
// is needed. It returns by how much it could.
func (l *List) narrow(widths []int, dropped []bool, by int) (less int) {
	for ; less < by; less++ {
		widest := -1
		for i, c := range l.chosen {
			if l.cols[c].Wrap && !dropped[i] && widths[i] > shortest && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return less
}
