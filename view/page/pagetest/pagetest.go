// Package pagetest reads the pages of package page in tests, and finds what its templates
// did not write.
package pagetest

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Known are the names of elements and attributes that templates write.
type Known struct{ Elements, Attributes []string }

// Parse returns the text and the links of a page. Other elements and attributes,
// comments, and control characters in the text are errors of the test.
func (k Known) Parse(t testing.TB, page string, body io.Reader) (shown string, links []string) {
	t.Helper()
	d := xml.NewDecoder(body)
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var b strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), links
		} else if err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !slices.Contains(k.Elements, token.Name.Local) {
				t.Errorf("%s: an element <%s>", page, token.Name.Local)
			}
			for _, a := range token.Attr {
				if !slices.Contains(k.Attributes, a.Name.Local) {
					t.Errorf("%s: an attribute %s=%.60q of <%s>", page, a.Name.Local, a.Value, token.Name.Local)
				}
				if a.Name.Local == "href" && token.Name.Local == "a" {
					links = append(links, a.Value)
				}
			}
		case xml.Comment:
			t.Errorf("%s: a comment %.60q", page, token)
		case xml.CharData:
			if strings.ContainsFunc(strings.ReplaceAll(string(token), "\n", ""), text.Obeyed) {
				t.Errorf("%s: a control character in %.60q", page, token)
			}
			b.Write(token)
		}
	}
}
