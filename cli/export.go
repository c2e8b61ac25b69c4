package cli

import (
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) export() *cobra.Command {
	var format, cursor, output, known, mode string
	var quiet, dry bool
	var options export.Options
	var chosen choice
	c := &cobra.Command{
		Use:   "export",
		Short: "Write recipients in the format of another program",
		Long: "Export writes the bad addresses to standard output, or with -o to a file that is\n" +
			"replaced as a whole or not at all. --state all writes every address.\n\n" +
			"With --cursor it writes only what changed since the last successful export of that\n" +
			"name. csv, ndjson, json and odoo-csv then also report each address that is no\n" +
			"longer bad. The other formats cannot say that; a remark on standard error counts\n" +
			"what they left out. Rows may be repeated after a failure; the higher seq is the\n" +
			"later one.\n\n" +
			"Formats marked * are suppression lists: their programs never write to an address\n" +
			"in the file.\n\nFormats:\n" + export.FormatList(),
		Example: "  bouncetail export --format csv -o /var/lib/bouncetail/bad.csv\n" +
			"  bouncetail export --format csv --state all\n" +
			"  bouncetail export --format ndjson --cursor crm",
		Args: cobra.NoArgs,
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := chosen.parse(a.now())
		if err != nil {
			return err
		}
		options.State, options.ByDefault = bounce.State(f.State), chosen.State == ""
		e := daemon.Export{
			Filter: f, Cursor: cursor, DryRun: dry, Only: known != "",
			Run: export.Run{Options: options, Output: output, Stdout: a.stdout, Remarks: table.Remarks(a.stderr)},
		}
		if quiet {
			e.Remarks = io.Discard
		}
		if err := e.Check(format, mode); err != nil {
			return usageError{err}
		}
		if e.Question, err = a.question(cmd); err != nil {
			return err
		}
		if e.Only {
			if err := address.FileLines("--addresses", known, a.input, func(_ string, _ int, line string) error { return e.Know(line) }); err != nil {
				return err
			}
			if len(e.Known) == 0 { // an empty file would replace a list of bad addresses
				return fmt.Errorf("--addresses: there is no address in %s; nothing is written", known)
			}
		}
		// Otherwise a reader that goes away ends the program without a word.
		signal.Ignore(syscall.SIGPIPE)
		return e.Write(cmd.Context())
	}
	chosen.Flags(c)
	fleetFlag(c)
	c.Flags().Lookup("state").Usage = "only `STATE`: " + strings.Join(filter.States, ", ") + ", or all (default bad)"
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print errors only, no count of what was written")
	c.Flags().StringVar(&format, "format", "csv", "`FORMAT`: "+strings.Join(export.FormatNames(), ", "))
	c.Flags().StringVar(&cursor, "cursor", "", "only what changed since the last export with this `NAME`")
	c.Flags().BoolVar(&dry, "dry-run", false, "write to standard output what --cursor would add, and keep the cursor and the file of --output as they are")
	c.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, whole or not at all")
	c.Flags().StringVar(&mode, "mode", "", "`MODE` of the file, such as 0644 for a program that runs as another user (default: that of an older file, or 0640)")
	c.Flags().StringVar(&known, "addresses", "", "only the addresses in `FILE`, one a line, also where the database holds hashes; - is standard input")
	c.Flags().StringSliceVar(&options.Columns, "columns", nil, "only these `COLUMNS` of csv, ndjson and json, in this order: "+strings.Join(export.ColumnNames(), ", "))
	c.Flags().IntSliceVar(&options.Lists, "list", nil, "`ID` of the list in Brevo that the addresses go to; format brevo")
	complete(c, "format", export.FormatNames())
	complete(c, "columns", export.ColumnNames())
	c.AddCommand(a.cursors())
	return c
}
