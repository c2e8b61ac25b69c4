package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// listFlags are the flags of every command that prints a list.
type listFlags struct {
	table.Options
	limited func() bool // whether --limit was given; nil if it is a flag of the command
}

func (f *listFlags) add(c *cobra.Command, cols []table.Column) {
	c.Flags().StringVar(&f.Format, "format", "", "`FORMAT`: "+strings.Join(table.Formats, ", ")+" (default: table on a terminal, tsv in a pipe)")
	c.Flags().StringSliceVar(&f.Columns, "columns", nil, "only these `COLUMNS`, in this order: "+strings.Join(table.Keys(cols), ", "))
	c.Flags().BoolVar(&f.Wide, "wide", false, "all columns in full, also where the terminal is narrow")
	c.Flags().BoolVar(&f.JSON, "json", false, "one JSON object a line, as --format json")
	complete(c, "format", table.Formats)
	complete(c, "columns", table.Keys(cols))
}

// addWithLimit is add for a command that knows no limit itself.
func (f *listFlags) addWithLimit(c *cobra.Command, cols []table.Column) {
	f.add(c, cols)
	c.Flags().IntVar(&f.Limit, "limit", 0, "at most `N`; 0 is all (default: the first 50 on a terminal)")
	f.limited = func() bool { return c.Flags().Changed("limit") }
}

// open checks the flags and returns the list.
func (f *listFlags) open(a *app, cols []table.Column) (*table.List, error) {
	if f.limited != nil && f.limited() {
		f.All = true
	}
	l, err := f.Open(a.stdout, table.Remarks(a.stderr), a.zone(), cols)
	return l, usage(err)
}

// list prints a list of what the database holds. The sentence is for a list without a
// row.
func (a *app) list(ctx context.Context, flags *listFlags, cols []table.Column, empty string, read func(*query.Reader, *table.List) error) error {
	return a.read(ctx, func(_ config.Config, r *query.Reader) error {
		l, err := flags.open(a, cols)
		if err != nil {
			return err
		}
		if err := read(r, l); err != nil {
			return err
		}
		return l.End(empty)
	})
}

// withList completes a command that only prints a list of what the database holds.
func (a *app) withList(c *cobra.Command, cols []table.Column, empty string, read func(context.Context, *query.Reader, *table.List) error) *cobra.Command {
	var flags listFlags
	flags.addWithLimit(c, cols)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.list(cmd.Context(), &flags, cols, empty, func(r *query.Reader, l *table.List) error { return read(cmd.Context(), r, l) })
	}
	return c
}

// screen returns standard output for people.
func (a *app) screen() *table.Screen { return table.ScreenOf(a.stdout) }
