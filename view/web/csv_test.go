package web_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/cli"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/web"
)

// download returns the records of a file, without its header.
func download(t *testing.T, b *browser, at string) [][]string {
	t.Helper()
	a := b.get(at)
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv;") || a.Header.Get("Content-Disposition") != `attachment; filename="recipients.csv"` {
		t.Fatalf("%s: %d %v %.300s", at, a.StatusCode, a.Header, a.body)
	}
	records, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(records) == 0 || records[0][0] != "recipient" {
		t.Fatalf("%s: %v %.300s", at, err, a.body)
	}
	return records[1:]
}

// csvSite returns a site with downloads.
func csvSite(t *testing.T, db string) *web.Site {
	t.Helper()
	format, err := export.Named("csv")
	if err != nil {
		t.Fatal(err)
	}
	s := site(db)
	s.CSV = func(w io.Writer) web.RecipientWriter { return format.New(w, export.Options{}) }
	return s
}

func TestAddressesAreDownloadedAsTheViewShowsThem(t *testing.T) {
	db := database(t)
	b := browse(t, csvSite(t, db).Handler(), "/")
	if shown := b.get("recipients?state=bad&match=jane").body; !strings.Contains(shown, `href="./recipients.csv?match=jane&amp;state=bad"`) {
		t.Errorf("the page has no link: %s", shown)
	}
	if got := download(t, b, "recipients.csv?match=jane&state=bad"); len(got) != 1 || got[0][0] != "jane@gmail.com" {
		t.Errorf("jane: %q", got)
	}
	if got := download(t, b, "recipients.csv?match=jane&domain=GMAIL.com."); len(got) != 1 || got[0][0] != "jane@gmail.com" {
		t.Errorf("a domain as logs have it: %q", got)
	}
	if shown := b.get("recipients?domain=B%C3%BCcher.example").body; !strings.Contains(shown, `value="xn--bcher-kva.example"`) {
		t.Errorf("a domain with an umlaut is searched as it is: %s", shown)
	}
	if got := download(t, b, "recipients.csv?state=ok"); len(got) != 0 {
		t.Errorf("none: %q", got)
	}
	// The same cells as those of bouncetail export, which defuses formulas.
	var exported bytes.Buffer
	if code := cli.Run(t.Context(), []string{"export", "--db", db, "--state", "all", "--format", "csv"}, strings.NewReader(""), &exported, io.Discard); code != 0 {
		t.Fatalf("export exits with %d", code)
	}
	want, err := csv.NewReader(&exported).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := download(t, b, "recipients.csv")
	byAddress := func(a, b []string) int { return strings.Compare(a[0], b[0]) }
	want = want[1:]
	slices.SortFunc(want, byAddress)
	slices.SortFunc(got, byAddress)
	if len(got) != len(want) || len(got) < len(hostile) {
		t.Fatalf("%d rows, export has %d", len(got), len(want))
	}
	for i := range got {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("row %d is %.300q, that of export %.300q", i, got[i], want[i])
		}
	}
}

func TestParametersWithATypingErrorChooseNobody(t *testing.T) {
	b := browse(t, csvSite(t, database(t)).Handler(), "/")
	for given, want := range map[string]string{
		"stat=bad":                "There is no parameter \"stat\"; there are match, domain, state, reason, after.",
		"State=bad":               "There is no parameter \"State\"; there are match,",
		"state=Bad":               "The parameter state cannot be \"Bad\". Give it once, with one of the values bad, suspect, failing, ok.",
		"state=bad,failing":       "The parameter state cannot be \"bad,failing\".",
		"state=bad%20":            "The parameter state cannot be \"bad \".",
		"state=bad&state=failing": "Give the parameter state once, with one of the values bad, suspect, failing, ok.",
		"reason=nosuch":           "The parameter reason cannot be \"nosuch\". Give it once, with one of the values no-such-user, ",
		"match=a&match=b":         "Give the parameter match once.",
		"state=bad;reason=spf":    "The parameters cannot be read: ",
		"state=%zz":               "The parameters cannot be read: ",
	} {
		a := b.get("recipients.csv?" + given)
		if a.StatusCode != http.StatusBadRequest || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || !strings.HasPrefix(a.body, want) {
			t.Errorf("recipients.csv?%s: %d %v, want %q: %.300s", given, a.StatusCode, a.Header["Content-Type"], want, a.body)
		}
		shown := b.get("recipients?" + given)
		if says := html.UnescapeString(shown.body); shown.StatusCode != http.StatusBadRequest || !strings.Contains(says, strings.TrimSpace(a.body)) {
			t.Errorf("recipients?%s: %d, want %q: %s", given, shown.StatusCode, a.body, says)
		}
	}
	// The form of the page sends its empty fields too.
	if rows := download(t, b, "recipients.csv?match=jane&domain=&state=bad&reason=&after="); len(rows) != 1 {
		t.Errorf("empty parameters: %q", rows)
	}
}

func TestDownloadHasAllPartsOrBreaksOff(t *testing.T) {
	const addresses = 4500
	var log bytes.Buffer
	for i := range addresses {
		fmt.Fprintf(&log, "2026-11-01T10:%02d:%02d.000000+00:00 mx postfix/smtp[7]: 4E%06X: to=<user%05d@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n", i/100, i%60, i, i)
	}
	file, db := filepath.Join(t.TempDir(), "mail.log"), filepath.Join(t.TempDir(), "b.db")
	if err := os.WriteFile(file, log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := cli.Run(t.Context(), []string{"import", "--db", db, file}, strings.NewReader(""), io.Discard, io.Discard); code != 0 {
		t.Fatalf("import exits with %d", code)
	}
	s := csvSite(t, db)
	h := s.Handler()
	b := browse(t, h, "/")
	rows := download(t, b, "recipients.csv")
	for i := range rows {
		if want := fmt.Sprintf("user%05d@example.com", i); rows[i][0] != want {
			t.Fatalf("row %d is %q, want %q", i, rows[i][0], want)
		}
	}
	if len(rows) != addresses {
		t.Errorf("%d rows, want %d", len(rows), addresses)
	}
	read := 0
	open := s.Open
	s.Open = func(ctx context.Context) (*query.Reader, error) {
		if read++; read > 1 {
			return nil, errors.New("the disk is gone")
		}
		return open(ctx)
	}
	resp, err := http.Get(b.base + "recipients.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half a file of %d bytes looks whole", len(body))
	}
}
