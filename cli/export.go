package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) export() *cobra.Command {
	var format, cursor, output, known, mode string
	var quiet bool
	var options export.Options
	var filter recipientFilter
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := filter.parse(a.now())
			if err != nil {
				return err
			}
			i := slices.IndexFunc(export.Formats, func(f export.Format) bool { return f.Name == format })
			if i < 0 {
				return usageError{fmt.Errorf("--format: %q is not one of %s", format, export.FormatNames())}
			}
			if cursor != "" && !cursorName.MatchString(cursor) {
				return usageError{fmt.Errorf("--cursor: %q is no name; use letters, digits, - and _", cursor)}
			}
			if known != "" && f.Limit > 0 {
				return usageError{errors.New("--limit and --addresses do not go together: the limit would count those that are left out")}
			}
			if cursor != "" && f.Limit > 0 {
				return usageError{errors.New("--limit and --cursor do not go together: the cursor would pass over what was left out")}
			}
			options.State = bounce.State(f.State)
			e := exporting{filter: f, Run: export.Run{Format: export.Formats[i], Options: options, Output: output, Stdout: a.stdout, Remarks: table.Remarks(a.stderr), ByDefault: filter.State == ""}}
			if quiet {
				e.Remarks = io.Discard
			}
			if e.Mode, err = fileMode(mode, output); err != nil {
				return usageError{err}
			}
			if err := e.Format.Check(e.Options); err != nil {
				return usageError{err}
			}
			settings, err := a.settings()
			if err != nil {
				return err
			}
			e.path = settings.Database
			if known != "" {
				if err := e.know(a, known, settings.Privacy); err != nil {
					return err
				}
			}
			// Else a reader that goes away ends the program without a word.
			signal.Ignore(syscall.SIGPIPE)
			if cursor == "" {
				_, err := e.write(cmd.Context())
				return err
			}
			return e.since(cmd.Context(), cursor)
		},
	}
	filter.flags(c)
	c.Flags().Lookup("state").Usage = "only `STATE`: " + strings.Join(states, ", ") + ", or all (default bad)"
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print errors only, no count of what was written")
	c.Flags().StringVar(&format, "format", "csv", "`FORMAT`: "+export.FormatNames())
	c.Flags().StringVar(&cursor, "cursor", "", "only what changed since the last export with this `NAME`")
	c.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, whole or not at all")
	c.Flags().StringVar(&mode, "mode", "", "`MODE` of the file, such as 0644 for a program that runs as another user (default: that of an older file, or 0640)")
	c.Flags().StringVar(&known, "addresses", "", "only the addresses in `FILE`, one a line, also where the database holds hashes; - is standard input")
	c.Flags().StringSliceVar(&options.Columns, "columns", nil, "only these `COLUMNS` of csv, ndjson and json, in this order: "+strings.Join(export.ColumnNames(), ","))
	c.Flags().IntSliceVar(&options.Lists, "list", nil, "`ID` of the list in Brevo that the addresses go to; format brevo")
	complete(c, "format", strings.Split(export.FormatNames(), ", "))
	complete(c, "columns", export.ColumnNames())
	c.AddCommand(a.cursors())
	return c
}

// fileMode reads the mode of the output in octal digits.
func fileMode(text, output string) (os.FileMode, error) {
	if text == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(text, 8, 9)
	switch {
	case output == "":
		return 0, errors.New("--mode: is of a file; name one with -o FILE")
	case err != nil || mode&0o600 != 0o600:
		return 0, fmt.Errorf("--mode: %q is no mode that the owner can read and write, such as 0640 or 0644", text)
	}
	return os.FileMode(mode), nil
}

// know reads the addresses that the export is to name.
func (e *exporting) know(a *app, file string, c config.Privacy) error {
	lines, err := a.listedIn("--addresses", file)
	if err != nil {
		return err
	}
	h, err := daemon.OpenHasher(c)
	if err != nil {
		return err
	}
	e.key, e.Known = h.ID(), make(map[string]string, len(lines))
	for _, line := range lines {
		to := address.Parse(line)
		e.Known[h.Hashed(to).Normal] = to.Normal
	}
	return nil
}

var cursorName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// exporting is one run of the command.
type exporting struct {
	export.Run
	path   string
	key    int64 // that hashed the addresses of Known; see privacy.Hasher.ID
	filter query.Filter
}

// since writes what changed since the cursor, and moves it once that is safely
// written.
func (e *exporting) since(ctx context.Context, name string) (err error) {
	cursor, err := outbox.OpenCursor(ctx, e.path, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	e.Changes, e.AfterSeq = true, cursor.Seq
	e.Options.First = cursor.New
	last, err := e.write(ctx)
	if err != nil {
		return err
	}
	return cursor.Move(ctx, max(last, cursor.Seq), time.Now())
}

// write writes what the filter chooses and returns the number of the last change that
// has been dealt with.
func (e *exporting) write(ctx context.Context) (lastSeq int64, err error) {
	r, err := query.OpenReader(ctx, e.path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if err := e.checkKey(ctx, r); err != nil {
		return 0, err
	}
	f := e.filter
	f.Changes, f.AfterSeq = e.Changes, e.AfterSeq
	if e.ByDefault && e.Changes {
		f.BadOrLeft = true
	} else if e.ByDefault {
		f.State = string(bounce.StateBad)
	}
	e.Read = func(each func(*bounce.Recipient) error) (int64, error) { return r.Recipients(ctx, f, each) }
	return e.Run.Write()
}

// checkKey refuses to write hashes where addresses are wanted, or to compare
// with hashes of another key.
func (e *exporting) checkKey(ctx context.Context, r *query.Reader) error {
	if e.Known != nil {
		return r.CheckKey(ctx, e.path, e.key)
	}
	if hashed, err := r.Hashed(ctx); err != nil || !hashed || !e.Format.SuppressionList {
		return err
	}
	return fmt.Errorf("the database holds hashes, and who reads %s knows addresses; name a file with those that you send to: --addresses FILE", e.Format.Name)
}
