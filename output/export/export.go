// Package export writes recipients in the formats that other programs read.
//
// A format is a function that returns a Writer, in a file named after the program that
// reads it; its line in Formats; and its entry in acceptances. A Writer receives
// recipients one at a time, so an export of millions needs no more memory than one of ten.
package export

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// Format is one way to write recipients.
type Format struct {
	Name  string // as given to export --format
	About string // for the help, in half a line
	// SuppressionList is set if the program stops writing to every address of the
	// file, so only bad ones may be in it. Such a file has each address in all its
	// spellings.
	SuppressionList bool
	// CanReinstate is set if a suppression list can also say that an address is no
	// longer bad.
	CanReinstate bool
	// MaxBytes is the largest file that the program takes; 0 is no limit.
	MaxBytes int
	// Columns is set if Options.Columns chooses what is written, and Lists if
	// Options.Lists is needed.
	Columns, Lists bool
	// New begins a file and writes what precedes the rows. Each Write must write its row
	// immediately, so that a row that does not fit can be removed.
	New func(w io.Writer, o Options) Writer
}

// Options are parameters of some formats.
type Options struct {
	State bounce.State // the state asked for, even if the format is for bad addresses
	First bool         // nothing was exported before, so nothing can be reinstated
	// ByDefault is set if no state was asked for: bad addresses, and with Run.Changes
	// those that are no longer bad.
	ByDefault bool
	Columns   []string // of ColumnNames; empty is the format's own choice
	Lists     []int    // IDs of the other program's lists that the addresses go to
}

// Writer writes one file.
type Writer interface {
	Write(r *bounce.Recipient) error
	// Close writes the end of the file, and leaves the underlying writer open.
	Close() error
}

// Formats lists the formats in the order in which the help shows them.
var Formats = []Format{
	{Name: "csv", About: "all columns, with a header; for spreadsheets and most CRMs", Columns: true, New: newCSV},
	{Name: "ndjson", About: "one JSON object a line", Columns: true, New: newNDJSON},
	{Name: "json", About: "one JSON array, an object a line", Columns: true, New: newJSON},
	{Name: "plain", About: "one address a line", New: newPlain},
	{Name: "mailgun-csv", About: "bounces of Mailgun, 25 MB at most", SuppressionList: true, MaxBytes: 25_000_000, New: newMailgun},
	{Name: "listmonk-csv", About: "blocklist of listmonk", SuppressionList: true, New: newListmonk},
	{
		Name:            "brevo",
		About:           "body of Brevo's POST /v3/contacts/import, 8 MB at most; --list",
		SuppressionList: true,
		MaxBytes:        brevoBytes,
		Lists:           true,
		New:             newBrevo,
	},
	{
		Name:            "brevo-csv",
		About:           "file for Brevo's import, with ; between, 8 MB at most",
		SuppressionList: true,
		MaxBytes:        brevoBytes,
		New:             newBrevoCSV,
	},
	{Name: "hubspot-csv", About: "opt-out list of HubSpot", SuppressionList: true, New: newHubSpot},
	{Name: "mautic", About: "bodies of Mautic's POST /api/contacts/batch/new, one a line", SuppressionList: true, New: newMautic},
	{Name: "civicrm-csv", About: "e-mail addresses to put on hold in CiviCRM, for a script", SuppressionList: true, New: newCiviCRM},
	{Name: "odoo-csv", About: "mail.blacklist of Odoo", SuppressionList: true, CanReinstate: true, New: newOdoo},
	{Name: "phplist", About: "suppression list of phpList", SuppressionList: true, New: newPlain},
	{Name: "rspamd", About: "map for Rspamd's multimap of type rcpt", SuppressionList: true, New: newPlain},
	{Name: "mailcow", About: "regexp map for Rspamd's multimap, as mailcow has one", SuppressionList: true, New: newMailcow},
}

// errFull means that the program accepts no larger file. The row is not in the file, and
// none can follow. Close makes the file complete.
var errFull = errors.New("the file is full")

// File is a file with the rows that its format can hold.
type File struct {
	Rows     int // rows in the file: an address with two spellings has two
	Rejected int // addresses that the program cannot store
	NotBad   int // addresses that are not bad, left out because the file cannot say so

	format  Format
	options Options
	out     io.Writer
	row     bytes.Buffer
	writer  Writer
	size    int
	full    bool
}

// File begins a file.
func (f Format) File(w io.Writer, o Options) *File {
	file := &File{format: f, options: o, out: w}
	file.writer = f.New(&file.row, o)
	return file
}

// ending is the number of bytes reserved for Close.
const ending = 16

// Write writes a recipient, leaves it out and counts it, or returns errFull.
func (f *File) Write(r *bounce.Recipient) error {
	switch {
	case f.full:
		return errFull
	case f.leavesOut(r):
		return nil
	case f.format.Rejects(r.Recipient):
		f.Rejected++
		return nil
	}
	rows, before := 0, f.row.Len()
	for _, spelling := range f.spellings(r.Recipient) {
		row := *r
		row.Recipient = spelling
		if err := f.writer.Write(&row); err != nil {
			return err
		}
		rows++
	}
	if f.format.MaxBytes > 0 && f.size+f.row.Len()+ending > f.format.MaxBytes {
		f.row.Truncate(before)
		f.full = true
		return errFull
	}
	f.Rows += rows
	return f.flush()
}

// leavesOut reports whether an address is left out because it is not bad. It counts those
// that the file should say so of, and cannot.
func (f *File) leavesOut(r *bounce.Recipient) bool {
	o := &f.options
	if r.State == bounce.StateBad || !o.ByDefault && (!f.format.SuppressionList || r.State == o.State) {
		return false
	}
	if o.ByDefault && o.First { // nothing was handed over, so nothing is taken back
		return true
	}
	if !f.format.reinstates(o.Columns) {
		f.NotBad++
		return true
	}
	return o.First
}

// reinstates reports whether a file with these columns can say that an address is no
// longer bad.
func (f Format) reinstates(columns []string) bool {
	if f.Columns {
		return len(columns) == 0 || slices.Contains(columns, "state")
	}
	return f.CanReinstate
}

// spellings returns the address in the spellings that the program may know it by.
// Formats that hold the columns of the database have one row a recipient.
func (f *File) spellings(normal string) []string {
	if f.format.Columns {
		return []string{normal}
	}
	all := address.Spellings(normal)
	accepted := all[:1]
	for _, other := range all[1:] {
		if !f.format.Rejects(other) {
			accepted = append(accepted, other)
		}
	}
	return accepted
}

// Close ends the file and leaves the underlying writer open.
func (f *File) Close() error {
	if err := f.writer.Close(); err != nil {
		return err
	}
	return f.flush()
}

func (f *File) flush() error {
	f.size += f.row.Len()
	_, err := f.row.WriteTo(f.out)
	return err
}

// badAt returns when an address became bad, as stored, or else failed last; empty
// if neither happened.
func badAt(r *bounce.Recipient) string {
	at := cmp.Or(r.BadSince, r.LastFailureAt)
	if at == nil {
		return ""
	}
	return *at
}
