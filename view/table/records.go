package table

import (
	"fmt"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
)

// printRecords prints each value on a line, for more columns than fit the terminal.
func (l *List) printRecords(heads []cell) error {
	widest := 0
	for _, h := range heads {
		widest = max(widest, text.Columns(h.text))
	}
	var b strings.Builder
	for n, row := range l.table {
		if n > 0 {
			b.WriteString("\n")
		}
		for i, c := range row {
			pad := strings.Repeat(" ", widest-text.Columns(heads[i].text)+2)
			value := l.screen.Paint(c.style, text.Wrap(c.text, l.screen.Width, widest+2))
			b.WriteString(strings.TrimRight(l.screen.Paint(Bold, heads[i].text)+pad+value, " ") + "\n")
		}
	}
	_, err := fmt.Fprint(l.out, b.String())
	return err
}
