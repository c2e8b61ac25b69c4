package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Every command that prints a list follows one rule: a terminal gets a table of its
// width, a pipe gets TSV with a line of titles, and --format chooses otherwise.

// listFormats are the values of --format.
var listFormats = []string{"table", "tsv", "csv", "json"}

// column is a column of a list.
type column struct {
	key  string // the title in TSV and CSV, the name in JSON and for --columns
	keep int    // on a narrow terminal the column with the lowest is dropped first; 0 is never dropped
	long bool   // may be cut on a terminal
	time bool   // the heading of a table names the time zone
	more bool   // shown only if --columns names it
}

// The types of cells beside numbers and text.
type (
	// stamp is a stored time: UTC in files, local on a terminal.
	stamp string
	// state is the state of an address, which has a colour.
	state string
	// share is a part of a whole, between 0 and 1.
	share float64
)

// stampOf is the cell of a time that may be missing.
func stampOf(stored *string) any {
	if stored == nil {
		return nil
	}
	return stamp(*stored)
}

// listFlags are the flags of every command that prints a list.
type listFlags struct {
	format     string
	columns    []string
	wide, json bool
	drop       []string // columns that a filter makes superfluous in a table
	all        bool     // a limit was given: the terminal gets every row
}

func (f *listFlags) add(c *cobra.Command, cols []column) {
	c.Flags().StringVar(&f.format, "format", "", "`FORMAT`: "+strings.Join(listFormats, ", ")+" (default: table on a terminal, tsv in a pipe)")
	c.Flags().StringSliceVar(&f.columns, "columns", nil, "only these `COLUMNS`, in this order: "+strings.Join(keys(cols), ","))
	c.Flags().BoolVar(&f.wide, "wide", false, "all columns in full, also where the terminal is narrow")
	c.Flags().BoolVar(&f.json, "json", false, "one JSON object a line, as --format json")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	_ = c.RegisterFlagCompletionFunc("columns", cobra.FixedCompletions(keys(cols), cobra.ShellCompDirectiveNoFileComp))
}

func keys(cols []column) []string {
	var names []string
	for _, c := range cols {
		names = append(names, c.key)
	}
	return names
}

// list prints rows in one of the formats.
type list struct {
	a      *app
	screen *screen
	format string
	cols   []column
	chosen []int    // indexes of cols
	table  [][]cell // rows of a table, printed by end
	max    int      // rows of a table that are shown; 0 is all
	rows   int
	csv    *csv.Writer
	json   *json.Encoder
	whole  bool // JSON objects are those of the caller, with all their fields
}

// cell is a cell of a table.
type cell struct {
	text, style string
	number      bool
}

// open checks the flags and returns the list.
func (f *listFlags) open(a *app, cols []column) (*list, error) {
	l := &list{a: a, screen: a.screen(), cols: cols, format: f.format}
	switch {
	case f.json && f.format != "" && f.format != "json":
		return nil, usageError{fmt.Errorf("--json and --format %s exclude each other", f.format)}
	case f.json:
		l.format = "json"
	case f.format == "" && l.screen.width > 0:
		l.format = "table"
	case f.format == "":
		l.format = "tsv"
	case !slices.Contains(listFormats, f.format):
		return nil, usageError{fmt.Errorf("--format: %q is not one of %s", f.format, strings.Join(listFormats, ", "))}
	}
	for _, name := range f.columns {
		i := slices.IndexFunc(cols, func(c column) bool { return c.key == name })
		if i < 0 {
			return nil, usageError{fmt.Errorf("--columns: unknown column %q; did you mean %q?", name, text.Nearest(name, keys(cols)))}
		}
		l.chosen = append(l.chosen, i)
	}
	if f.columns == nil {
		for i, c := range cols {
			if !c.more && (l.format != "table" || f.wide || !slices.Contains(f.drop, c.key)) {
				l.chosen = append(l.chosen, i)
			}
		}
	}
	if l.format == "table" {
		if l.screen.width == 0 {
			l.screen.width = terminalColumns()
		} else if !f.all {
			l.max = 50
		}
		if f.wide {
			l.screen.width = 0
		}
	}
	l.whole = f.columns == nil
	l.csv, l.json = csv.NewWriter(a.stdout), a.objects()
	return l, nil
}

// terminalColumns is the width of a table that is not printed on a terminal.
func terminalColumns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 80
}

func (l *list) header() error {
	titles := make([]string, len(l.chosen))
	for i, c := range l.chosen {
		titles[i] = l.cols[c].key
	}
	return l.line(titles)
}

// line writes a line of TSV or CSV.
func (l *list) line(fields []string) error {
	switch l.format {
	case "tsv":
		_, err := fmt.Fprintln(l.a.stdout, strings.Join(fields, "\t"))
		return err
	case "csv":
		_ = l.csv.Write(fields) // Error reports it
		l.csv.Flush()
		return l.csv.Error()
	}
	return nil
}

// row adds a row. The object is what JSON shows of it; nil takes the cells, which are
// in the order of the columns.
func (l *list) row(object any, cells ...any) error {
	if l.rows++; l.rows == 1 {
		if err := l.header(); err != nil {
			return err
		}
	}
	switch l.format {
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
		case share:
			fields[i] = fmt.Sprintf("%.4f", float64(v))
		default:
			fields[i] = text.Printable(fmt.Sprint(v))
		}
	}
	return l.line(fields)
}

// object is the JSON object of the chosen columns, in their order.
func (l *list) object(cells []any) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range l.chosen {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(l.cols[c].key) // text and numbers always encode
		value, _ := json.Marshal(cells[c])
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (l *list) cellOf(value any) cell {
	switch v := value.(type) {
	case nil:
		return cell{number: true}
	case int:
		return cell{text: text.Thousands(int64(v)), number: true}
	case int64:
		return cell{text: text.Thousands(v), number: true}
	case share:
		return cell{text: fmt.Sprintf("%.1f %%", 100*v), number: true}
	case stamp:
		return cell{text: l.a.shortTime(string(v))}
	case state:
		return cell{text: string(v), style: map[state]string{"bad": red, "suspect": yellow, "ok": green}[v]}
	}
	return cell{text: text.Printable(fmt.Sprint(value))}
}

// end prints a table, and says on standard error how many rows there are. The
// sentence is for a list without a row.
func (l *list) end(empty string) error {
	if l.rows == 0 && empty != "" {
		_, err := fmt.Fprintln(l.a.stderr, empty)
		return err
	}
	if l.format != "table" || l.rows == 0 {
		return nil
	}
	if err := l.print(); err != nil {
		return err
	}
	if left := l.rows - len(l.table); left > 0 {
		fmt.Fprintf(l.a.stderr, "%s more; --limit 0 shows all %s.\n", text.Thousands(int64(left)), text.Thousands(int64(l.rows)))
	}
	return nil
}

// print prints the table.
func (l *list) print() error {
	widths := l.fit()
	heads := make([]cell, len(l.chosen))
	for i, c := range l.chosen {
		heads[i] = cell{text: l.heading(c)}
	}
	words := make([]bool, len(l.chosen)) // by column: it holds something else than numbers
	for _, row := range l.table {
		for i, c := range row {
			words[i] = words[i] || !c.number
		}
	}
	var b strings.Builder
	for n, row := range append([][]cell{heads}, l.table...) {
		var line strings.Builder
		for i, c := range row {
			if widths[i] == 0 {
				continue
			}
			shown := text.Cut(c.text, widths[i])
			pad := strings.Repeat(" ", max(0, widths[i]-text.Columns(shown)))
			shown = l.screen.paint(c.style, shown)
			if words[i] {
				line.WriteString(shown + pad + "  ")
			} else {
				line.WriteString(pad + shown + "  ")
			}
		}
		out := strings.TrimRight(line.String(), " ")
		if n == 0 {
			out = l.screen.paint(bold, out)
		}
		b.WriteString(out + "\n")
	}
	_, err := fmt.Fprint(l.a.stdout, b.String())
	return err
}

func (l *list) heading(c int) string {
	title := strings.ToUpper(strings.ReplaceAll(l.cols[c].key, "_", " "))
	if l.cols[c].time {
		return l.a.inZone(strings.TrimSuffix(title, " AT"))
	}
	return title
}

// shortest is the width to which a long column is cut before another is dropped.
const shortest = 18

// fit returns the widths of the columns, 0 for one that is dropped: long ones are
// cut first, the last of them most, then columns are dropped by what they are worth.
func (l *list) fit() []int {
	full := make([]int, len(l.chosen))
	for i, c := range l.chosen {
		full[i] = text.Columns(l.heading(c))
		for _, row := range l.table {
			full[i] = max(full[i], text.Columns(row[i].text))
		}
	}
	if l.screen.width == 0 {
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
		for i := len(widths) - 1; i >= 0 && total > l.screen.width; i-- {
			if l.cols[l.chosen[i]].long && widths[i] > shortest {
				less := min(widths[i]-shortest, total-l.screen.width)
				widths[i] -= less
				total -= less
			}
		}
		worst := -1
		for i, c := range l.chosen {
			if keep := l.cols[c].keep; !dropped[i] && keep > 0 && (worst < 0 || keep < l.cols[l.chosen[worst]].keep) {
				worst = i
			}
		}
		if total <= l.screen.width || worst < 0 {
			return widths
		}
		dropped[worst] = true
	}
}
