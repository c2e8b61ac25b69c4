package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"math"

	"github.com/bouncetail/bouncetail/view/chart"
)

//go:embed document.html
var documentHTML string

//go:embed document.css
var documentCSS string

var documentTemplates = template.Must(template.New("document").Parse(documentHTML))

// printFile prints a document as an HTML file that needs no other file. Its policy
// forbids scripts, and every style but its own.
func (d *document) printFile(out io.Writer) error {
	css := documentCSS + chart.CSS
	hash := sha256.Sum256([]byte(css))
	return documentTemplates.ExecuteTemplate(out, "file", struct {
		*document
		CSS  template.CSS
		Hash string
	}{d, template.CSS(css), base64.StdEncoding.EncodeToString(hash[:])}) //nolint:gosec // our own files
}

// printMail prints a document as the HTML of a mail: mail programs show no SVG, and
// often no style sheet.
func (d *document) printMail(out io.Writer) error {
	return documentTemplates.ExecuteTemplate(out, "mail", d)
}

// Percent is the length of a bar. One above 0 is visible.
func (c cell) Percent() int { return int(math.Ceil(100 * c.Bar * (1 - 1e-9))) }
