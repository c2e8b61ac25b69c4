package report

import (
	"bytes"

	"github.com/bouncetail/bouncetail/view/table"
)

// textColumns is the width of a digest as text, also in a mail.
const textColumns = 80

// DigestFormats are the formats of Digest.Print.
var DigestFormats = []string{"text", "html", "json"}

// Print prints a digest in a format.
func (d *Digest) Print(out *table.Screen, format string, zone table.Zone) error {
	switch format {
	case "html":
		return d.Page(zone).PrintFile(out.Out)
	case "json":
		return table.Objects(out.Out).Encode(d)
	}
	return d.PrintText(out, zone)
}

// PrintText prints a digest in lines of at most 80 columns.
func (d *Digest) PrintText(out *table.Screen, zone table.Zone) error {
	return d.Page(zone).PrintText(out, textColumns)
}

// Mail is a digest as a mail.
type Mail struct {
	Subject  string
	Text     []byte
	HTML     []byte // bars are cells of tables
	FileName string
	File     []byte // the HTML file
}

// Mail returns a digest as a mail.
func (d *Digest) Mail(zone table.Zone) (*Mail, error) {
	var plain, html, file bytes.Buffer
	p := d.Page(zone)
	if err := p.PrintText(&table.Screen{Out: &plain}, textColumns); err != nil {
		return nil, err
	}
	if err := p.PrintMail(&html); err != nil {
		return nil, err
	}
	if err := p.PrintFile(&file); err != nil {
		return nil, err
	}
	return &Mail{d.Subject(), plain.Bytes(), html.Bytes(), "bouncetail-" + d.Last + ".html", file.Bytes()}, nil
}
