package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/export"
	"github.com/bouncetail/bouncetail/sqlite"
)

func (a *app) export() *cobra.Command {
	var format, cursor, output string
	var filter recipientFilter
	c := &cobra.Command{
		Use:   "export",
		Short: "Write recipients in the format of another program",
		Long: "Export writes recipients to standard output, or with -o to a file that is written\n" +
			"whole or not at all. With --cursor it writes only what changed since the last\n" +
			"export of that name that succeeded; rows may come again after a failure, and seq\n" +
			"tells the later of two. Leave --state out there to be told of addresses that have\n" +
			"become good again.\n\nFormats:\n" + formatList(),
		Example: "  bouncetail export --format csv --state bad -o /var/lib/bouncetail/bad.csv\n" +
			"  bouncetail export --format ndjson --cursor crm",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := filter.parse(time.Now())
			if err != nil {
				return err
			}
			i := slices.IndexFunc(export.Formats, func(f export.Format) bool { return f.Name == format })
			if i < 0 {
				return usageError{fmt.Errorf("--format: %q is none of %s", format, formatNames())}
			}
			if cursor != "" && !cursorName.MatchString(cursor) {
				return usageError{fmt.Errorf("--cursor: %q is no name; use letters, digits, - and _", cursor)}
			}
			if cursor != "" && f.Limit > 0 {
				return usageError{errors.New("--limit and --cursor do not go together: the cursor would pass over what was left out")}
			}
			settings, err := a.settings()
			if err != nil {
				return err
			}
			e := exporting{path: settings.Database, format: export.Formats[i], filter: f, output: output, stdout: a.stdout}
			if cursor == "" {
				_, err := e.write(cmd.Context())
				return err
			}
			return e.since(cmd.Context(), cursor)
		},
	}
	filter.flags(c)
	c.Flags().StringVar(&format, "format", "csv", "`FORMAT`: "+formatNames())
	c.Flags().StringVar(&cursor, "cursor", "", "only what changed since the last export with this `NAME`")
	c.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, whole or not at all")
	return c
}

var cursorName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func formatNames() string {
	var names []string
	for _, f := range export.Formats {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func formatList() string {
	var list strings.Builder
	for _, f := range export.Formats {
		fmt.Fprintf(&list, "  %-14s %s\n", f.Name, f.About)
	}
	return strings.TrimSuffix(list.String(), "\n")
}

// exporting is one run of the command.
type exporting struct {
	path   string
	format export.Format
	filter sqlite.Filter
	output string
	stdout io.Writer
}

// since writes what changed since the cursor, and moves it once that is safely
// written.
func (e *exporting) since(ctx context.Context, name string) (err error) {
	cursor, err := sqlite.OpenCursor(ctx, e.path, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cursor.Close()) }()
	e.filter.Changes = true
	e.filter.AfterSeq = cursor.Seq
	last, err := e.write(ctx)
	if err != nil {
		return err
	}
	return cursor.Move(ctx, max(last, cursor.Seq), time.Now())
}

// write writes what the filter chooses and returns the number of the last
// change that the database held meanwhile.
func (e *exporting) write(ctx context.Context) (lastSeq int64, err error) {
	r, err := sqlite.OpenReader(ctx, e.path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if e.output == "" {
		return e.writeTo(ctx, r, e.stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(e.output), "."+filepath.Base(e.output)+".*")
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("output %s: the folder %s does not exist; create it", e.output, filepath.Dir(e.output))
	}
	if err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if lastSeq, err = e.writeTo(ctx, r, f); err != nil {
		return 0, err
	}
	if err := errors.Join(f.Chmod(0o640), f.Sync()); err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	if err := os.Rename(f.Name(), e.output); err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	return lastSeq, f.Close()
}

func (e *exporting) writeTo(ctx context.Context, r *sqlite.Reader, w io.Writer) (lastSeq int64, err error) {
	buffered := bufio.NewWriterSize(w, 1<<16)
	out := e.format.New(buffered)
	lastSeq, err = r.Recipients(ctx, e.filter, func(row *bounce.Recipient) error { return out.Write(row) })
	if err != nil {
		return 0, err
	}
	return lastSeq, errors.Join(out.Close(), buffered.Flush())
}
