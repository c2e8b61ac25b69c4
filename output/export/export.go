// Package export writes recipients in the formats that other programs read.
//
// A format is one file here and its line in Formats. It gets recipients one at
// a time, so that an export of millions costs no more memory than one of ten.
package export

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Format is one way to write recipients.
type Format struct {
	Name  string // as given to export --format
	About string // for the help, in half a line
	// Marks is set where the program takes every address of the file for one
	// not to write to, so that only bad ones may be in it.
	Marks bool
	// Lifts is set where a file that marks can also say that an address is no
	// longer bad.
	Lifts bool
	// Unfit reports whether an address cannot be said in this format; nil where
	// all can.
	Unfit func(address string) bool
	// MaxBytes is what the program takes in one file; 0 is no limit.
	MaxBytes int
	// Columns is set where Options.Columns chooses what is written, and Lists
	// where Options.Lists is needed.
	Columns, Lists bool
	// New begins a file. Each Write must write its row at once, so that a row
	// for which there is no room can be taken back.
	New func(w io.Writer, o Options) Writer
}

// Options are what some formats ask for.
type Options struct {
	State   bounce.State // that was asked for, though the format is for bad ones
	First   bool         // nothing was handed over before, so that nothing is to be lifted
	Columns []string     // names out of ColumnNames; empty is the format's own choice
	Lists   []int        // the lists of the other program that the addresses go to
}

// Writer writes one file.
type Writer interface {
	Write(r *bounce.Recipient) error
	// Close writes what ends the file, and leaves the underlying writer open.
	Close() error
}

// Formats lists what can be written, in the order in which help shows it.
var Formats = []Format{
	{Name: "csv", About: "all columns, with a header; for spreadsheets and most CRMs", Columns: true, New: newCSV},
	{Name: "ndjson", About: "one JSON object a line", Columns: true, New: newNDJSON},
	{Name: "json", About: "one JSON array, an object a line", Columns: true, New: newJSON},
	{Name: "plain", About: "one address a line", Unfit: unfitLine, New: newPlain},
	{Name: "mailgun-csv", About: "bounces of Mailgun, 25 MB at most", Marks: true, Unfit: unfitCell, MaxBytes: 25_000_000, New: newMailgun},
	{Name: "listmonk-csv", About: "blocklist of listmonk", Marks: true, Unfit: unfitCell, New: newListmonk},
	{Name: "brevo", About: "body of Brevo's POST /v3/contacts/import, 8 MB at most; needs --list", Marks: true, Unfit: noAddress, MaxBytes: brevoBytes, Lists: true, New: newBrevo},
	{Name: "brevo-csv", About: "file for Brevo's import, with ; between, 8 MB at most", Marks: true, Unfit: unfitCell, MaxBytes: brevoBytes, New: newBrevoCSV},
	{Name: "hubspot-csv", About: "opt-out list of HubSpot", Marks: true, Unfit: unfitCell, New: newHubSpot},
	{Name: "mautic", About: "bodies of Mautic's POST /api/contacts/batch/new, one a line", Marks: true, Unfit: noAddress, New: newMautic},
	{Name: "civicrm-csv", About: "e-mail addresses on hold in CiviCRM", Marks: true, Unfit: unfitCivi, New: newCiviCRM},
	{Name: "odoo-csv", About: "mail.blacklist of Odoo", Marks: true, Lifts: true, Unfit: unfitCell, New: newOdoo},
	{Name: "phplist", About: "suppression list of phpList", Marks: true, Unfit: unfitAddressLine, New: newPlain},
	{Name: "rspamd", About: "map for Rspamd's multimap of type rcpt", Marks: true, Unfit: unfitMap, New: newPlain},
}

// ErrFull says that the program takes no larger file: the row is not in it, and
// the file is whole without it.
var ErrFull = errors.New("the file is full")

// File is a file with the rows that its format has room and words for.
type File struct {
	Rows   int
	Unfit  int // addresses that the format cannot say
	Active int // addresses that are not bad, in a format that marks all

	format  Format
	options Options
	out     io.Writer
	row     bytes.Buffer
	writer  Writer
	size    int
}

// File begins a file.
func (f Format) File(w io.Writer, o Options) *File {
	file := &File{format: f, options: o, out: w}
	file.writer = f.New(&file.row, o)
	return file
}

// ending is room for what Close writes.
const ending = 16

// Write writes a recipient, leaves it out and counts it, or returns ErrFull.
func (f *File) Write(r *bounce.Recipient) error {
	switch {
	case f.format.Unfit != nil && f.format.Unfit(r.Recipient):
		f.Unfit++
		return nil
	case f.format.Marks && r.State != bounce.StateBad && r.State != f.options.State:
		if !f.format.Lifts {
			f.Active++
			return nil
		}
		if f.options.First {
			return nil
		}
	}
	if err := f.writer.Write(r); err != nil {
		return err
	}
	if f.format.MaxBytes > 0 && f.size+f.row.Len()+ending > f.format.MaxBytes {
		f.row.Reset()
		return ErrFull
	}
	f.Rows++
	return f.flush()
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

// noAddress reports what is no address for the world: a local user.
func noAddress(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at < 1 || at == len(address)-1
}

// unfitLine reports an address that would not stay on its line.
func unfitLine(address string) bool { return strings.ContainsAny(address, "\r\n") }

func unfitAddressLine(address string) bool { return noAddress(address) || unfitLine(address) }

// unfitCell also reports what a spreadsheet would take for a formula. A text
// can be defused by an apostrophe; an address would become another one.
func unfitCell(address string) bool { return unfitAddressLine(address) || defused(address) != address }

// unfitMap also reports what would be cut at a space, or be a comment.
// https://rspamd.com/doc/configuration/maps.html: keys, or keys with values.
func unfitMap(address string) bool {
	return unfitAddressLine(address) || strings.ContainsAny(address, " \t#\"")
}

// badAt is when an address was found bad, as stored, or else failed last; empty
// where neither is so.
func badAt(r *bounce.Recipient) string {
	at := cmp.Or(r.BadSince, r.LastFailureAt)
	if at == nil {
		return ""
	}
	return *at
}
