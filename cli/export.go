package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
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
	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/sqlite"
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
			"in the file.\n\nFormats:\n" + formatList(),
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
				return usageError{fmt.Errorf("--format: %q is none of %s", format, formatNames())}
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
			e := exporting{format: export.Formats[i], filter: f, options: options, output: output, stdout: a.stdout, remarks: a.stderr, all: filter.State == allStates}
			if quiet {
				e.remarks = io.Discard
			}
			if e.mode, err = fileMode(mode, output); err != nil {
				return usageError{err}
			}
			if err := e.check(); err != nil {
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
	c.Flags().StringVar(&format, "format", "csv", "`FORMAT`: "+formatNames())
	c.Flags().StringVar(&cursor, "cursor", "", "only what changed since the last export with this `NAME`")
	c.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, whole or not at all")
	c.Flags().StringVar(&mode, "mode", "", "`MODE` of the file, such as 0644 for a program that runs as another user (default: that of an older file, or 0640)")
	c.Flags().StringVar(&known, "addresses", "", "only the addresses in `FILE`, one a line, also where the database holds hashes; - is standard input")
	c.Flags().StringSliceVar(&options.Columns, "columns", nil, "only these `COLUMNS` of csv, ndjson and json, in this order: "+strings.Join(export.ColumnNames(), ","))
	c.Flags().IntSliceVar(&options.Lists, "list", nil, "`ID` of the list in Brevo that the addresses go to; format brevo")
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
	e.key, e.known = h.ID(), make(map[string]string, len(lines))
	for _, line := range lines {
		to := address.Parse(line)
		e.known[h.Hashed(to).Normal] = to.Normal
	}
	return nil
}

// check looks for options that the format does not take, and gives it what it
// takes by default.
func (e *exporting) check() error {
	if len(e.options.Columns) > 0 && !e.format.Columns {
		return fmt.Errorf("--columns: the columns of %s are those that its program takes; use csv, ndjson or json", e.format.Name)
	}
	for i, name := range e.options.Columns {
		if slices.Contains(e.options.Columns[:i], name) {
			return fmt.Errorf("--columns: %s is named twice", name)
		}
		if names := export.ColumnNames(); !slices.Contains(names, name) {
			return fmt.Errorf("--columns: unknown column %q; did you mean %q?", name, text.Nearest(name, names))
		}
	}
	switch {
	case e.format.Lists && len(e.options.Lists) == 0:
		return errors.New("--list: Brevo wants a list for the contacts; its id stands beside its name under Contacts, Lists")
	case slices.ContainsFunc(e.options.Lists, func(id int) bool { return id < 1 }):
		return errors.New("--list: the id of a list is 1 or more; it stands beside its name in Brevo under Contacts, Lists")
	case !e.format.Lists && len(e.options.Lists) > 0:
		return fmt.Errorf("--list: %s knows no lists; it is for the format brevo", e.format.Name)
	}
	if e.format.SuppressionList && !e.format.CanReinstate && e.filter.State == string(bounce.StateOK) {
		return fmt.Errorf("--state: %s is a list of addresses not to write to, and these are good; use csv, ndjson or plain", e.format.Name)
	}
	e.options.State = bounce.State(e.filter.State)
	return nil
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
		mark := ' '
		if f.SuppressionList {
			mark = '*'
		}
		fmt.Fprintf(&list, "%c %-14s %s\n", mark, f.Name, f.About)
	}
	return strings.TrimSuffix(list.String(), "\n")
}

// exporting is one run of the command.
type exporting struct {
	path    string
	key     int64             // that hashed the addresses of known; see privacy.Hasher.ID
	known   map[string]string // addresses by how they are stored; nil is all there are, as they are stored
	format  export.Format
	filter  sqlite.Filter
	options export.Options
	output  string
	mode    os.FileMode // of the file; 0 keeps that of an older file, or is 0640
	stdout  io.Writer
	remarks io.Writer

	all bool // every state was asked for
	// byDefault is set where no state was asked for: bad addresses, and by cursor
	// those that are no longer bad.
	byDefault  bool
	counts     map[bounce.State]int // addresses written
	notWritten int                  // no longer bad, in a format that cannot say so
}

// reinstates reports whether the file can say that an address is no longer bad.
func (e *exporting) reinstates() bool {
	if e.format.Columns {
		return len(e.options.Columns) == 0 || slices.Contains(e.options.Columns, "state")
	}
	return e.format.CanReinstate
}

// leavesOut reports whether a row that the query returned is not written.
func (e *exporting) leavesOut(row *bounce.Recipient) bool {
	if !e.byDefault || row.State == bounce.StateBad {
		return false
	}
	if e.options.First { // nothing was handed over, so nothing is taken back
		return true
	}
	if !e.reinstates() {
		e.notWritten++
		return true
	}
	return false
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
	e.options.First = cursor.New
	last, err := e.write(ctx)
	if err != nil {
		return err
	}
	return cursor.Move(ctx, max(last, cursor.Seq), time.Now())
}

// write writes what the filter chooses and returns the number of the last
// change that has been dealt with.
func (e *exporting) write(ctx context.Context) (lastSeq int64, err error) {
	r, err := sqlite.OpenReader(ctx, e.path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if err := e.checkKey(ctx, r); err != nil {
		return 0, err
	}
	if e.output == "" {
		return e.writeTo(ctx, r, e.stdout)
	}
	if info, err := os.Stat(e.output); err == nil {
		if info.IsDir() {
			return 0, fmt.Errorf("output %s is a directory; name a file in it", e.output)
		}
		if !info.Mode().IsRegular() {
			return e.writeDevice(ctx, r)
		}
	} else if _, err := os.Readlink(e.output); err == nil {
		return 0, fmt.Errorf("output %s is a link to a file that does not exist; create that file, or name it instead", e.output)
	}
	return e.writeFile(ctx, r)
}

// checkKey refuses to write hashes where addresses are wanted, or to compare
// with hashes of another key.
func (e *exporting) checkKey(ctx context.Context, r *sqlite.Reader) error {
	if e.known != nil {
		return r.CheckKey(ctx, e.path, e.key)
	}
	if hashed, err := r.Hashed(ctx); err != nil || !hashed || !e.format.SuppressionList {
		return err
	}
	return fmt.Errorf("the database holds hashes, and who reads %s knows addresses; name a file with those that you send to: --addresses FILE", e.format.Name)
}

// writeDevice writes to what cannot be replaced: a named pipe, /dev/stdout.
func (e *exporting) writeDevice(ctx context.Context, r *sqlite.Reader) (lastSeq int64, err error) {
	f, err := os.OpenFile(e.output, os.O_WRONLY, 0)
	if err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	lastSeq, err = e.writeTo(ctx, r, f)
	return lastSeq, errors.Join(err, f.Close())
}

// writeFile replaces the file, so that a reader finds the old one or the new one.
func (e *exporting) writeFile(ctx context.Context, r *sqlite.Reader) (lastSeq int64, err error) {
	f, err := atomicfile.Create(e.output, 0o640)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("output %s: the directory %s does not exist; create it", e.output, filepath.Dir(e.output))
	}
	if err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	defer func() { err = errors.Join(err, f.Abort()) }()
	if e.mode != 0 {
		if err := f.Chmod(e.mode); err != nil {
			return 0, fmt.Errorf("output: %w", err)
		}
	}
	if lastSeq, err = e.writeTo(ctx, r, f); err != nil {
		return 0, err
	}
	// The file must be on the disk before a cursor moves.
	if err := f.Commit(); err != nil {
		return 0, fmt.Errorf("output: %w", err)
	}
	return lastSeq, nil
}

func (e *exporting) writeTo(ctx context.Context, r *sqlite.Reader, w io.Writer) (lastSeq int64, err error) {
	filter := e.filter
	e.byDefault = filter.State == "" && !e.all
	e.counts, e.notWritten = make(map[bounce.State]int), 0
	switch {
	case e.byDefault && filter.Changes:
		filter.BadOrLeft = true
	case e.byDefault:
		filter.State = string(bounce.StateBad)
	}
	buffered := bufio.NewWriterSize(w, 1<<16)
	file := e.format.File(buffered, e.options)
	passed := filter.AfterSeq // the change up to which rows are in the file, or rightly are not
	lastSeq, err = r.Recipients(ctx, filter, func(row *bounce.Recipient) error {
		if e.known != nil {
			known := false
			if row.Recipient, known = e.known[row.Recipient]; !known {
				passed = row.Seq
				return nil
			}
		}
		if e.leavesOut(row) {
			passed = row.Seq
			return nil
		}
		rows := file.Rows
		if err := file.Write(row); err != nil {
			return err
		}
		if file.Rows > rows { // an address may have a row for each of its spellings
			e.counts[row.State]++
		}
		passed = row.Seq
		return nil
	})
	full := errors.Is(err, export.ErrFull)
	switch {
	case full && (!filter.Changes || file.Rows == 0):
		return 0, fmt.Errorf("the file would be larger than the %d bytes that its program takes; export in parts with --cursor NAME, or narrow it with --domain, --category or --since", e.format.MaxBytes)
	case full:
		lastSeq = passed
	case err != nil:
		return 0, err
	}
	if err := errors.Join(file.Close(), buffered.Flush()); err != nil {
		return 0, err
	}
	if err := synced(w); err != nil {
		return 0, err
	}
	e.remark(file, full)
	return lastSeq, nil
}

// synced waits until standard output is on the disk, where it is a file.
func synced(w io.Writer) error {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Sync()
}

// remark reports how many addresses of which state were written, and what could
// not be.
func (e *exporting) remark(file *export.File, full bool) {
	fmt.Fprintf(e.remarks, "%s\n", e.written())
	if file.Rejected > 0 {
		fmt.Fprintf(e.remarks, "%s holds only addresses that its program can store (see docs/exports.md); left out: %d\n", e.format.Name, file.Rejected)
	}
	if n := file.SkippedNotBad + e.notWritten; n > 0 {
		fmt.Fprintf(e.remarks, "%s cannot say that an address is not bad, or no longer; left out: %d\n", e.format.Name, n)
	}
	if full {
		fmt.Fprintln(e.remarks, "the file is as large as its program takes, and more is waiting; run the same command again for the next part")
	}
}

// written describes the rows of the file: "278 bad addresses written".
func (e *exporting) written() string {
	rows := 0
	for _, n := range e.counts {
		rows += n
	}
	what, one := "address", ""
	if e.filter.Changes {
		what = "change"
	}
	var parts []string
	add := func(n int, state string) {
		if n > 0 {
			parts, one = append(parts, text.Thousands(int64(n))+" "+state), state+" "
		}
	}
	bad := e.counts[bounce.StateBad]
	if e.byDefault {
		one = "bad "
		add(bad, "bad")
		add(rows-bad, "no longer bad")
	} else {
		for _, state := range states {
			add(e.counts[bounce.State(state)], state)
		}
	}
	switch {
	case len(parts) > 1 || e.filter.Changes && rows > 0:
		return fmt.Sprintf("%s written: %s", text.Amount(rows, what), strings.Join(parts, ", "))
	case e.filter.Changes:
		return "0 changes written"
	}
	return text.Amount(rows, one+what) + " written"
}
