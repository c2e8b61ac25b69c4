package cli

import (
	"context"
	"errors"
	"fmt"
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
	c.Flags().StringSliceVar(&f.Columns, "columns", nil, "only these `COLUMNS`, in this order: "+strings.Join(table.Keys(cols), ","))
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
	if err != nil {
		return nil, usageError{err}
	}
	return l, nil
}

// list prints a list of what the database holds. The sentence is for a list without a
// row.
func (a *app) list(ctx context.Context, flags *listFlags, cols []table.Column, empty string, read func(*query.Reader, *table.List) error) error {
	r, err := a.reader(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	l, err := flags.open(a, cols)
	if err != nil {
		return err
	}
	if err := read(r, l); err != nil {
		return err
	}
	return l.End(empty)
}

// screen returns standard output for people.
func (a *app) screen() *table.Screen { return table.ScreenOf(a.stdout) }

// jsonFlag adds --json to a command that does something.
func jsonFlag(c *cobra.Command, on *bool) {
	c.Flags().BoolVar(on, "json", false, "the result as one JSON object")
}

// did is what a command has done, as JSON shows it.
type did map[string]any

// doing completes a command that does something and says so: in the sentence that do
// returns, or with --json in the object.
func (a *app) doing(c *cobra.Command, do func(ctx context.Context, settings config.Config, args []string) (any, string, error)) *cobra.Command {
	var asJSON bool
	jsonFlag(c, &asJSON)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		object, sentence, err := do(cmd.Context(), settings, args)
		if _, isPart := errors.AsType[partError](err); err != nil && !isPart {
			return err
		}
		return errors.Join(err, a.result(asJSON, object, "%s", sentence))
	}
	return c
}

// result prints what a command did, as JSON or as a sentence.
func (a *app) result(asJSON bool, object any, format string, args ...any) error {
	if asJSON {
		return table.Objects(a.stdout).Encode(object)
	}
	return a.say(format, args...)
}

// partError is the error of a command that has done a part of its work, which it prints.
type partError struct{ error }

// Unwrap returns the error.
func (e partError) Unwrap() error { return e.error }

// say prints a sentence on standard output, wrapped on a terminal.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintln(a.stdout, a.screen().Prose(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")))
	return err
}
