package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"slices"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/chart"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var templates = template.Must(template.New("page").Parse(pageHTML))

// CSS is the style of files and of the web interface.
var CSS = pageCSS + chart.CSS

// PrintFile prints a page as an HTML file that needs no other file. Its policy forbids
// scripts, and every style but its own.
func (p *Page) PrintFile(out io.Writer) error {
	hash := sha256.Sum256([]byte(CSS))
	return templates.ExecuteTemplate(out, "file", struct {
		*Page
		CSS   template.CSS
		Hash  string
		Frame *Frame
		Root  string
	}{p, template.CSS(CSS), base64.StdEncoding.EncodeToString(hash[:]), nil, p.Base}) //nolint:gosec // our own files
}

// PrintMail prints a page as the HTML of a mail: mail programs show no SVG, and often no
// style sheet.
func (p *Page) PrintMail(out io.Writer) error {
	return templates.ExecuteTemplate(out, "mail", p)
}

// Frame is what stands around the pages of the web interface. Links are relative, so
// that it may be below any path of a proxy.
type Frame struct {
	Root    string // the way to the root: "./" or "../"
	Style   string // the style sheet, relative to the root
	Current string // the link of Links that is shown
	Links   []Link
	Server  string
	Time    string // when the page was made
	User    string // who sees it; may be empty
	Logout  string // the token of the form that ends the session; empty if there is none
}

// placedForm is a form with the way to the root.
type placedForm struct {
	*Form
	Root string
}

// In places a form in a frame, with the control characters of its values visible.
func (f *Form) In(frame *Frame) placedForm {
	form := *f
	form.Fields = slices.Clone(f.Fields)
	for i := range form.Fields {
		form.Fields[i].Value = text.Printable(form.Fields[i].Value)
	}
	return placedForm{&form, frame.Root}
}

// LogoutForm is the form that ends the session, or nil.
func (f *Frame) LogoutForm() *placedForm {
	if f.Logout == "" {
		return nil
	}
	return &placedForm{&Form{Action: "logout", Button: "Log out", Token: f.Logout}, f.Root}
}

// PrintWeb prints a page of the web interface.
func (p *Page) PrintWeb(out io.Writer, f *Frame) error {
	// With the policy no-referrer, browsers send forms with "Origin: null", which looks
	// like another site.
	posts := f.Logout != "" || slices.ContainsFunc(p.Sections, func(s Section) bool { return s.Form != nil && s.Form.Token != "" })
	return templates.ExecuteTemplate(out, "web", struct {
		*Page
		Frame *Frame
		Root  string
		Posts bool
	}{p, f, f.Root, posts})
}
