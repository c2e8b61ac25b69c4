// Package export writes recipients in the formats that other programs read.
//
// A format is one file here and its line in Formats. It gets recipients one at
// a time, so that an export of millions costs no more memory than one of ten.
package export

import (
	"io"

	"github.com/bouncetail/bouncetail/bounce"
)

// Format is one way to write recipients.
type Format struct {
	Name  string // as given to export --format
	About string // for the help, in half a line
	// New begins a file.
	New func(w io.Writer) Writer
}

// Writer writes one file.
type Writer interface {
	Write(r *bounce.Recipient) error
	// Close writes what ends the file, and leaves the underlying writer open.
	Close() error
}

// Formats lists what can be written, in the order in which help shows it.
var Formats = []Format{
	{"csv", "all columns, with a header; for spreadsheets and most CRMs", newCSV},
	{"ndjson", "one JSON object a line", newNDJSON},
	{"json", "one JSON array, an object a line", newJSON},
	{"plain", "one address a line; phpList, Rspamd multimap", newPlain},
}
