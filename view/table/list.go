// Package table prints rows: as a table that fits the terminal, or as TSV, CSV or
// JSON for programs. A terminal gets a table of its width, a pipe gets TSV with a
// line of titles, and Options.Format chooses otherwise.
package table

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Formats are the values of Options.Format.
var Formats = []string{"table", "tsv", "csv", "json"}

// Column is a column of a list.
type Column struct {
	Key  string // the title in TSV and CSV, the name in JSON and for --columns
	Keep int    // on a narrow terminal the column with the lowest is dropped first; 0 is never dropped
	Long bool   // may be cut on a terminal
	Wrap bool   // is wrapped on a terminal and not cut
	Time bool   // the heading of a table names the time zone
	More bool   // shown only if --columns names it
}

// The types of cells beside numbers and text.
type (
	// Stamp is a stored time: UTC in files, local on a terminal.
	Stamp string
	// State is the state of an address, which has a colour.
	State string
	// Share is a part of a whole, between 0 and 1.
	Share float64
)

// StampOf is the cell of a time that may be missing.
func StampOf(stored *string) any {
	if stored == nil {
		return nil
	}
	return Stamp(*stored)
}

// Options choose how a list is printed.
type Options struct {
	Format  string   // one of Formats; empty is that of the output
	Columns []string // names in their order; empty is all but those marked More
	Wide    bool     // all columns in full, also if the terminal is narrow
	JSON    bool     // as Format json
	Drop    []string // columns that a filter makes superfluous in a table
	All     bool     // a limit was given: the terminal gets every row
	Limit   int      // rows that are printed at most; 0 is all
}

// Keys lists the names of columns.
func Keys(cols []Column) []string {
	var names []string
	for _, c := range cols {
		names = append(names, c.Key)
	}
	return names
}

// LongColumns returns columns with these names, of any characters, that may be cut on a
// terminal.
func LongColumns(names []string) []Column {
	cols := make([]Column, len(names))
	for i, name := range names {
		cols[i] = Column{Key: text.Printable(name), Long: true}
	}
	return cols
}

// List prints rows in one of the formats.
type List struct {
	Format string // the one chosen

	out    io.Writer
	remark io.Writer
	zone   Zone
	screen *Screen
	cols   []Column
	chosen []int    // indexes of cols
	table  [][]cell // rows of a table, printed by End
	limit  int      // see Options.Limit
	max    int      // rows of a table that are shown; 0 is all
	rows   int
	enough int // see Enough; 0 if it was not asked
	csv    *csv.Writer
	json   *json.Encoder
	whole  bool // JSON objects are those of the caller, with all their fields
}

// cell is a cell of a table.
type cell struct {
	text, style string
	number      bool
}

// Open checks the options and returns a list on an output. Remarks for people go to
// remarks.
func (f *Options) Open(out, remarks io.Writer, zone Zone, cols []Column) (*List, error) {
	l := &List{limit: f.Limit, out: out, remark: remarks, zone: zone, screen: ScreenOf(out), cols: cols, Format: f.Format}
	switch {
	case f.JSON && f.Format != "" && f.Format != "json":
		return nil, fmt.Errorf("--json and --format %s exclude each other", f.Format)
	case f.JSON:
		l.Format = "json"
	case f.Format == "" && l.screen.Width > 0:
		l.Format = "table"
	case f.Format == "":
		l.Format = "tsv"
	default:
		if err := text.OneOf(f.Format, Formats); err != nil {
			return nil, fmt.Errorf("--format: %w", err)
		}
	}
	for _, name := range f.Columns {
		i := slices.IndexFunc(cols, func(c Column) bool { return c.Key == name })
		if i < 0 {
			return nil, fmt.Errorf(
				"--columns: unknown column %q%s",
				name, cmp.Or(text.Near(name, Keys(cols)), "; it is one of "+strings.Join(Keys(cols), ", ")),
			)
		}
		l.chosen = append(l.chosen, i)
	}
	if f.Columns == nil {
		for i, c := range cols {
			if !c.More && (l.Format != "table" || f.Wide || !slices.Contains(f.Drop, c.Key)) {
				l.chosen = append(l.chosen, i)
			}
		}
	}
	if l.Format == "table" {
		if l.screen.Width == 0 {
			l.screen.Width = terminalColumns()
		} else if !f.All {
			l.max = 50
		}
		if f.Wide {
			l.screen.Width = 0
		}
	}
	l.whole = f.Columns == nil
	l.csv, l.json = csv.NewWriter(out), Objects(out)
	return l, nil
}

// terminalColumns is the width of a table that is not printed on a terminal.
func terminalColumns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 80
}

func (l *List) header() error {
	titles := make([]string, len(l.chosen))
	for i, c := range l.chosen {
		titles[i] = l.cols[c].Key
	}
	return l.line(titles)
}

// line writes a line of TSV or CSV.
func (l *List) line(fields []string) error {
	switch l.Format {
	case "tsv":
		_, err := fmt.Fprintln(l.out, strings.Join(fields, "\t"))
		return err
	case "csv":
		_ = l.csv.Write(fields) // Error reports it
		l.csv.Flush()
		return l.csv.Error()
	}
	return nil
}

// Row adds a row. The object is what JSON shows of it; nil takes the cells, which are
// in the order of the columns.
func (l *List) Row(object any, cells ...any) error {
	if l.limit > 0 && l.rows == l.limit {
		return nil
	}
	if l.rows++; l.rows == 1 {
		if err := l.header(); err != nil {
			return err
		}
	}
	switch l.Format {
	case "json":
		if object != nil && l.whole {
			return l.json.Encode(object)
		}
		return l.json.Encode(l.object(cells))
	case "table":
		if l.max > 0 && l.rows > l.max {
			return nil
		}
		row := make([]cell, len(l.chosen))
		for i, c := range l.chosen {
			row[i] = l.cellOf(cells[c])
		}
		l.table = append(l.table, row)
		return nil
	}
	fields := make([]string, len(l.chosen))
	for i, c := range l.chosen {
		switch v := cells[c].(type) {
		case nil:
		case Share:
			fields[i] = fmt.Sprintf("%.4f", float64(v))
		default:
			fields[i] = text.Printable(fmt.Sprint(v))
		}
	}
	return l.line(fields)
}

// Rows adds a row for each of all. It returns err if that is not nil, which is the error
// of reading them.
func Rows[T any](l *List, all []T, err error, cells func(*T) []any) error {
	for i := range all {
		if err == nil {
			err = l.Row(&all[i], cells(&all[i])...)
		}
	}
	return err
}

// object is the JSON object of the chosen columns, in their order.
func (l *List) object(cells []any) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range l.chosen {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(l.cols[c].Key) // text and numbers always encode
		value, _ := json.Marshal(cells[c])
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (l *List) cellOf(value any) cell {
	switch v := value.(type) {
	case nil:
		return cell{number: true}
	case int:
		return cell{text: text.Thousands(int64(v)), number: true}
	case int64:
		return cell{text: text.Thousands(v), number: true}
	case Share:
		return cell{text: fmt.Sprintf("%.1f %%", 100*v), number: true}
	case bool:
		return cell{text: map[bool]string{true: "yes", false: "no"}[v]}
	case Stamp:
		return cell{text: l.zone.Short(string(v))}
	case State:
		return cell{text: string(v), style: map[State]string{"bad": Red, "suspect": Yellow, "ok": Green}[v]}
	}
	return cell{text: text.Printable(fmt.Sprint(value))}
}

// fewRows are counted at a glance.
const fewRows = 10

// enoughRows is how many rows are counted at most that are not all shown.
const enoughRows = 1000

// Enough returns how many rows the list is to be given at most; 0 is all. To count what
// is not shown could take minutes.
func (l *List) Enough() int {
	if l.max > 0 {
		l.enough = enoughRows
	}
	return l.enough
}

// End prints a table, and says on standard error how many rows there are. The
// sentence is for a list without a row.
func (l *List) End(empty string) error {
	if l.rows == 0 && empty != "" {
		_, err := fmt.Fprintln(l.remark, empty)
		return err
	}
	if l.Format != "table" || l.rows == 0 {
		return nil
	}
	if err := l.print(); err != nil {
		return err
	}
	switch left, all := l.rows-len(l.table), text.Thousands(int64(l.rows)); {
	case l.enough > 0 && l.rows >= l.enough:
		fmt.Fprintf(l.remark, "At least %s more; --limit 0 shows all.\n", text.Thousands(int64(left)))
	case left > 0:
		fmt.Fprintf(l.remark, "%s more; --limit 0 shows all %s.\n", text.Thousands(int64(left)), all)
	case l.max > 0 && l.rows > fewRows:
		fmt.Fprintf(l.remark, "%s in all.\n", all)
	}
	return nil
}

// print prints the table.
func (l *List) print() error {
	widths := l.fit()
	heads := make([]cell, len(l.chosen))
	total := -2
	for i, c := range l.chosen {
		heads[i] = cell{text: l.heading(c)}
		if widths[i] > 0 { // 0 is dropped
			total += widths[i] + 2
		}
	}
	if l.screen.Width > 0 && total > l.screen.Width {
		return l.printRecords(heads)
	}
	words := make([]bool, len(l.chosen)) // by column: it holds something else than numbers
	for _, row := range l.table {
		for i, c := range row {
			words[i] = words[i] || !c.number
		}
	}
	var b strings.Builder
	for n, row := range append([][]cell{heads}, l.table...) {
		for first, left := true, true; left; first = false {
			var line string
			line, left = l.tableLine(row, widths, words, first)
			if n == 0 {
				line = l.screen.Paint(Bold, line)
			}
			b.WriteString(line + "\n")
		}
	}
	_, err := fmt.Fprint(l.out, b.String())
	return err
}

// tableLine returns the next line of a row and removes it from the cells that are
// wrapped. It reports whether there is another line.
func (l *List) tableLine(row []cell, widths []int, words []bool, first bool) (line string, left bool) {
	var b strings.Builder
	for i := range row {
		c := &row[i]
		if widths[i] == 0 {
			continue
		}
		shown := ""
		switch {
		case l.cols[l.chosen[i]].Wrap:
			shown, c.text, _ = strings.Cut(text.Wrap(c.text, widths[i], 0), "\n")
			c.text = strings.Join(strings.Fields(c.text), " ")
			left = left || c.text != ""
		case first:
			shown = text.Cut(c.text, widths[i])
		}
		pad := strings.Repeat(" ", max(0, widths[i]-text.Columns(shown)))
		shown = l.screen.Paint(c.style, shown)
		if words[i] {
			b.WriteString(shown + pad + "  ")
		} else {
			b.WriteString(pad + shown + "  ")
		}
	}
	return strings.TrimRight(b.String(), " "), left
}

func (l *List) heading(c int) string {
	title := strings.ToUpper(strings.ReplaceAll(l.cols[c].Key, "_", " "))
	if l.cols[c].Time {
		return l.zone.Head(strings.TrimSuffix(title, " AT"))
	}
	return title
}
