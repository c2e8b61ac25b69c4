package page

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/table"
)

func sample() *Page {
	p := New("mx1, \x1b[31m", "a week")
	half, tenfold, none := 0.5, 10.2, 0.0
	s := NewSection("Numbers", "name", "count", "change", "by day", "share")
	s.Say("A sentence with %s.", "<b>markup</b>")
	s.Row(Link{"a name that is far too long for a line of forty columns", "provider?name=a%26b"}, 1234567, Delta{&half}, Spark{0, 1, 8}, Bar(0.01))
	s.Row("b", int64(2), Delta{&tenfold}, Spark{0, 0, 0}, Bar(0))
	s.Row("c", 0, Delta{&none}, Spark{}, Bar(2))
	s.Row("d", 0, Delta{}, Spark{3}, Bar(-1))
	s.Note("A note.")
	empty := NewSection("Empty", "x").OrElse("None.")
	p.Add(s, empty)
	return p
}

func TestTextFitsItsWidth(t *testing.T) {
	want := `mx1, \x1b[31m                       a week

Numbers
A sentence with <b>markup</b>.
name       count  change  by day  share
a na…  1,234,567   +50 %  ·▁█     █
b              2    × 11  ···
c              0    ±0 %          ████████
d              0          █
A note.

Empty
None.
`
	var out bytes.Buffer
	if err := sample().PrintText(&table.Screen{Out: &out}, 42); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for line := range strings.SplitSeq(got, "\n") {
		if n := text.Columns(line); n > 42 {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestItemsHangBehindTheirBullet(t *testing.T) {
	p := New("t", "")
	s := NewSection("Do")
	s.Item("one two three four five six")
	s.Item("%s", strings.Repeat("x", 50))
	p.Add(s)
	var out bytes.Buffer
	if err := p.PrintText(&table.Screen{Out: &out}, 20); err != nil {
		t.Fatal(err)
	}
	if want := "Do\n- one two three four\n  five six\n- xxxxxxxxxxxxxxxxx…\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want it to end with %q", &out, want)
	}
}

func TestLinksAreOnlyInTheWebInterface(t *testing.T) {
	p := sample()
	var file, mail, web bytes.Buffer
	if err := p.PrintFile(&file); err != nil {
		t.Fatal(err)
	}
	if err := p.PrintMail(&mail); err != nil {
		t.Fatal(err)
	}
	if err := p.PrintWeb(&web, &Frame{Root: "../", Style: "style.css", Links: []Link{{"Overview", ""}}, Current: ""}); err != nil {
		t.Fatal(err)
	}
	for kind, page := range map[string]string{"file": file.String(), "mail": mail.String()} {
		if strings.Contains(page, "href=") {
			t.Errorf("the %s has a link:\n%s", kind, page)
		}
	}
	for _, want := range []string{`<a href="../provider?name=a%26b">a name`, `href="../style.css"`, `<a href="../" aria-current="page">Overview</a>`, "&lt;b&gt;markup&lt;/b&gt;", `\x1b[31m`} {
		if !strings.Contains(web.String(), want) {
			t.Errorf("the web page lacks %s:\n%s", want, web.String())
		}
	}
}

func TestFilesAndMailsLinkThePagesIfTheyHaveAnAddress(t *testing.T) {
	p := sample()
	p.Base = "https://mail.example.com/bouncetail/"
	var file, mail, text bytes.Buffer
	if err := p.PrintFile(&file); err != nil {
		t.Fatal(err)
	}
	if err := p.PrintMail(&mail); err != nil {
		t.Fatal(err)
	}
	if err := p.PrintText(&table.Screen{Out: &text}, 42); err != nil {
		t.Fatal(err)
	}
	for kind, page := range map[string]string{"file": file.String(), "mail": mail.String()} {
		if !strings.Contains(page, `<a href="https://mail.example.com/bouncetail/provider?name=a%26b">a name`) || strings.Count(page, "href=") != 1 {
			t.Errorf("the link of the %s is not that of the page:\n%s", kind, page)
		}
	}
	if strings.Contains(text.String(), "https:") {
		t.Errorf("the text has a link:\n%s", text.String())
	}
}
