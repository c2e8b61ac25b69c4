package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// csvWriter writes RFC 4180 with \n at the end of a line. The CSV formats differ in
// their header and in the cells of a row.
type csvWriter struct {
	w     *csv.Writer
	cells func(*bounce.Recipient) []string
}

func newCells(w io.Writer, comma rune, header []string, cells func(*bounce.Recipient) []string) Writer {
	c := &csvWriter{w: csv.NewWriter(w), cells: cells}
	c.w.Comma = comma
	_ = c.w.Write(header)
	c.w.Flush() // the next Write reports an error
	return c
}

func (c *csvWriter) Write(r *bounce.Recipient) error {
	row := c.cells(r)
	for i := range row {
		row[i] = defused(row[i])
	}
	_ = c.w.Write(row) // Error reports it
	c.w.Flush()
	return c.w.Error()
}

func (c *csvWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

func newCSV(w io.Writer, o Options) Writer {
	// The reply begins with the SMTP code.
	list := chosen(o.Columns, slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return c.name == "smtp_code" }))
	header := make([]string, 0, len(list))
	for _, c := range list {
		header = append(header, c.name)
	}
	return newCells(w, ',', header, func(r *bounce.Recipient) []string {
		row := make([]string, len(list))
		for i, c := range list {
			if v := c.value(r); v != nil {
				row[i] = fmt.Sprint(v)
			}
		}
		return row
	})
}

// defused returns a cell that no spreadsheet interprets as a formula. The remote side
// writes the reply, and anyone can own an address that begins with =. As OWASP
// recommends (CSV Injection), an apostrophe is put in front, also of parts that a
// spreadsheet with another separator would make cells of.
func defused(cell string) string {
	var b strings.Builder
	begins, from := true, 0
	if strings.HasPrefix(cell, "\t") || strings.HasPrefix(cell, "\r") || strings.HasPrefix(cell, "\n") {
		b.WriteByte('\'')
	}
	for i, c := range cell {
		switch c {
		case '=', '+', '-', '@', '＝', '＋', '－', '＠':
			if begins {
				b.WriteString(cell[from:i])
				b.WriteByte('\'')
				from = i
			}
			begins = false
		case ',', ';', '\t', '\r', '\n':
			begins = true
		case '"': // can open a cell
		default:
			begins = false
		}
	}
	if b.Len() == 0 {
		return cell
	}
	b.WriteString(cell[from:])
	return b.String()
}
