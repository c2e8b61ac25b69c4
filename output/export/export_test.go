package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/bounce"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// recipients have values that are difficult for some formats.
func recipients() []bounce.Recipient {
	row := func(seq int64, address, reply string) bounce.Recipient {
		return bounce.Recipient{
			Recipient: address, Domain: address[strings.LastIndexByte(address, '@')+1:], State: bounce.StateBad, DecidedBy: bounce.ByFailure,
			Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser,
			FirstFailureAt: new("2026-11-01T08:00:00.000Z"), LastFailureAt: new("2026-11-20T09:30:00.123Z"), BadSince: new("2026-11-02T23:59:59.999Z"),
			PermanentCount: 1, LastBounceID: &seq, Seq: seq, SMTPCode: 550, Reply: reply,
		}
	}
	local := row(9, "root", "User unknown")
	local.Domain = ""
	silent := row(4, "silent@example.com", "Host or domain name not found")
	silent.SMTPCode = 0
	well := row(11, "well@example.com", "450 4.2.0 Greylisted")
	well.DecidedBy = bounce.ByDelivery
	well.State, well.BadSince, well.LastDeliveryAt = bounce.StateOK, nil, new("2026-11-21T10:00:00.000Z")
	slow := row(12, "slow@example.com", "450 4.2.0 Greylisted")
	slow.State, slow.BadSince = bounce.StateFailing, nil
	byHand := row(13, "byhand@example.com", "")
	byHand.DecidedBy, byHand.Category, byHand.Reason, byHand.LastBounceID, byHand.PermanentCount = bounce.ByHand, "", "", nil, 0
	byHand.FirstFailureAt, byHand.LastFailureAt, byHand.SMTPCode = nil, nil, 0
	return []bounce.Recipient{
		row(1, "anna@example.com", "550 5.1.1 <anna@example.com>: \"unknown\", sorry; really"),
		row(2, `"a, b"@example.com`, "550 5.1.1 line one\nline two"),
		row(3, "emoji@example.com", "550 5.1.1 nobody here 🙈 "+strings.Repeat("é", 200)),
		silent,
		row(5, "cmd@example.com", "=cmd|' /C calc'!A0"),
		row(6, "=1+1@example.com", "550 5.1.1 User unknown"),
		row(7, "+tag@example.com", "550 5.1.1 User unknown"),
		row(8, "#note@example.com", "550 5.1.1 User unknown"),
		local,
		row(10, "@example.com", "550 5.1.1 User unknown"),
		well, slow, byHand,
	}
}

// written returns the file of a format and its counts.
func written(t *testing.T, f Format, o Options, rows []bounce.Recipient) (text []byte, file *File) {
	t.Helper()
	var b bytes.Buffer
	file = f.File(&b, o)
	for i := range rows {
		if err := file.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), file
}

func TestFormatsMatchTheGoldenFiles(t *testing.T) {
	for _, f := range Formats {
		t.Run(f.Name, func(t *testing.T) {
			got, file := written(t, f, Options{Lists: []int{7, 12}}, recipients())
			got = fmt.Appendf(got, "-- %d rows, %d unfit, %d not bad\n", file.Rows, file.Rejected, file.NotBad)
			path := filepath.Join("testdata", f.Name+".golden")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("format %s: got\n%s\nwant\n%s", f.Name, got, want)
			}
		})
	}
}

// Independent readers can read the files.
func TestFilesCanBeRead(t *testing.T) {
	for _, f := range Formats {
		for _, rows := range [][]bounce.Recipient{recipients(), nil} {
			text, file := written(t, f, Options{Lists: []int{7}}, rows)
			switch {
			case f.Name == "csv" || strings.HasSuffix(f.Name, "-csv"):
				r := csv.NewReader(bytes.NewReader(text))
				if f.Name == "brevo-csv" {
					r.Comma = ';'
				}
				lines, err := r.ReadAll()
				if err != nil || len(lines) != file.Rows+1 {
					t.Errorf("%s: %d lines, %v; want a header and %d rows", f.Name, len(lines), err, file.Rows)
				}
				for _, line := range lines {
					for _, cell := range line {
						if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
							t.Errorf("%s: %q is a formula in a spreadsheet", f.Name, cell)
						}
					}
				}
			case f.Name == "json" || f.Name == "brevo":
				if !json.Valid(text) {
					t.Errorf("%s is not JSON: %s", f.Name, text)
				}
			case f.Name == "ndjson" || f.Name == "mautic":
				for line := range bytes.Lines(text) {
					if !json.Valid(line) {
						t.Errorf("%s: a line is not JSON: %s", f.Name, line)
					}
				}
			default:
				if n := bytes.Count(text, []byte("\n")); n != file.Rows {
					t.Errorf("%s: %d lines for %d rows", f.Name, n, file.Rows)
				}
			}
		}
	}
}

func format(t *testing.T, name string) Format {
	t.Helper()
	for _, f := range Formats {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no format %s", name)
	return Format{}
}

func TestColumnsComeInTheOrderGiven(t *testing.T) {
	rows := recipients()[3:4]
	for name, want := range map[string]string{
		"csv":    "seq,recipient,smtp_code,last_delivery_at\n4,silent@example.com,,\n",
		"ndjson": `{"seq":4,"recipient":"silent@example.com","smtp_code":null,"last_delivery_at":null}` + "\n",
		"json":   `[{"seq":4,"recipient":"silent@example.com","smtp_code":null,"last_delivery_at":null}` + "\n]\n",
	} {
		got, _ := written(t, format(t, name), Options{Columns: []string{"seq", "recipient", "smtp_code", "last_delivery_at"}}, rows)
		if string(got) != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// Every column of the database can be exported.
func TestColumnsAreThoseOfRecipients(t *testing.T) {
	var want []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[bounce.Recipient]()) {
		if name := field.Tag.Get("json"); name != "-" {
			want = append(want, name)
		}
	}
	want = append(want, "reply", "smtp_code")
	if got := ColumnNames(); !slices.Equal(got, want) {
		t.Errorf("ColumnNames() = %q, want %q", got, want)
	}
}

func TestTheRequestedStateIsWritten(t *testing.T) {
	text, _ := written(t, format(t, "phplist"), Options{State: bounce.StateFailing}, recipients()[11:12])
	if string(text) != "slow@example.com\n" {
		t.Errorf("got %q", text)
	}
}

// A first file reinstates no address, because none was exported before.
func TestAFirstFileReinstatesNoAddress(t *testing.T) {
	text, file := written(t, format(t, "odoo-csv"), Options{First: true}, recipients()[9:12])
	if string(text) != "email,active\n" || file.NotBad != 0 {
		t.Errorf("got %q, %d counted as left out", text, file.NotBad)
	}
}

func TestFormulasAreDefused(t *testing.T) {
	for _, c := range []struct{ cell, want string }{
		{"", ""},
		{"550 5.1.1 no-such user, a=b", "550 5.1.1 no-such user, a=b"},
		{"=1+1", "'=1+1"},
		{"-2", "'-2"},
		{"＝1", "'＝1"},
		{"\t=1", "'\t'=1"},
		{"\rx", "'\rx"},
		// As in a spreadsheet with other separators.
		{"550 gone;=HYPERLINK(1)", "550 gone;'=HYPERLINK(1)"},
		{"550 gone;\"=1\"", "550 gone;\"'=1\""},
		{"one\n@two,+3", "one\n'@two,'+3"},
	} {
		if got := defused(c.cell); got != c.want {
			t.Errorf("defused(%q) = %q, want %q", c.cell, got, c.want)
		}
		if again := defused(c.want); again != c.want {
			t.Errorf("defused(%q) = %q, want it as it is", c.want, again)
		}
	}
}

func TestAFullFileIsCompleteWithoutTheRow(t *testing.T) {
	for _, name := range []string{"brevo", "mailgun-csv"} {
		f := format(t, name)
		f.MaxBytes = 500
		var b bytes.Buffer
		file := f.File(&b, Options{Lists: []int{1}})
		row := recipients()[0]
		var err error
		for err == nil {
			err = file.Write(&row)
		}
		if !errors.Is(err, errFull) {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if b.Len() > 500 || b.Len() < 300 {
			t.Errorf("%s: %d bytes, want close below 500", name, b.Len())
		}
		if got := bytes.Count(b.Bytes(), []byte("\n")); got != file.Rows+1 {
			t.Errorf("%s: %d lines for %d rows", name, got, file.Rows)
		}
		if name == "brevo" && !json.Valid(b.Bytes()) {
			t.Errorf("not JSON: %s", &b)
		}
	}
}

// A first row that does not fit takes no part of the file with it, and no smaller row
// follows it.
func TestAFullFileIsCompleteWithoutItsFirstRow(t *testing.T) {
	for name, want := range map[string]string{
		"json":      "[]\n",
		"brevo":     `{"emailBlacklist":true,"updateExistingContacts":true,"listIds":[1],"jsonBody":[]}` + "\n",
		"brevo-csv": "EMAIL;BOUNCE_REASON;BOUNCED_ON\n",
		"odoo-csv":  "email,active\n",
	} {
		f := format(t, name)
		f.MaxBytes = 300
		var b bytes.Buffer
		file := f.File(&b, Options{Lists: []int{1}})
		large, small := recipients()[0], recipients()[0]
		large.Recipient = strings.Repeat("x", 64) + "@" + strings.Repeat("example.", 23) + "com"
		large.Reply = strings.Repeat("x", 300)
		if name == "odoo-csv" || name == "brevo-csv" {
			f.MaxBytes = 200
			file = f.File(&b, Options{})
		}
		for _, row := range []*bounce.Recipient{&large, &small} {
			if err := file.Write(row); !errors.Is(err, errFull) {
				t.Errorf("%s: Write of %d bytes returns %v, want ErrFull", name, len(row.Recipient), err)
			}
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if b.String() != want || file.Rows != 0 {
			t.Errorf("%s: got %q, %d rows, want %q and none", name, &b, file.Rows, want)
		}
	}
}

func TestAnObjectWithoutColumnsIsJSON(t *testing.T) {
	row := recipients()[0]
	if got, err := object(&row, nil); err != nil || string(got) != "{}" {
		t.Errorf("object = %s, %v, want {}", got, err)
	}
}

func TestAFormatThatStatesNoAddressesRejectsAll(t *testing.T) {
	if f := (Format{Name: "none"}); !f.Rejects("anna@example.com") {
		t.Error("an address is written to a program of which nothing is known")
	}
	if !asciiLocal("anna") || asciiLocal("änna") {
		t.Error("an address without a domain is not judged by its characters")
	}
}

func TestMauticRequestsHaveAtMost200Contacts(t *testing.T) {
	rows := make([]bounce.Recipient, 401)
	for i := range rows {
		rows[i] = recipients()[0]
	}
	text, _ := written(t, format(t, "mautic"), Options{}, rows)
	var sizes []int
	for line := range bytes.Lines(text) {
		var contacts []mauticContact
		if err := json.Unmarshal(line, &contacts); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(contacts))
	}
	if fmt.Sprint(sizes) != "[200 200 1]" {
		t.Errorf("requests of %v contacts, want 200, 200, 1", sizes)
	}
}

func TestCiviCRMFileHasNoFourByteRunes(t *testing.T) {
	row := recipients()[2]
	row.Recipient = "🙈@example.com"
	text, file := written(t, format(t, "civicrm-csv"), Options{}, []bounce.Recipient{row, recipients()[2]})
	if file.Rejected != 1 || file.Rows != 1 || !utf8.Valid(text) {
		t.Errorf("%d rows, %d rejected, want one each: %s", file.Rows, file.Rejected, text)
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if reason := lines[1][3]; len(reason) > 254 || len(reason) < 250 || strings.ContainsFunc(reason, func(c rune) bool { return c > 0xffff }) {
		t.Errorf("a reason of %d bytes: %s", len(reason), reason)
	}
}

func TestShortTextsAreCutBetweenRunes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"abcdef", "abcde"},
		{"abcdé", "abcd"},
		{"ab€€", "ab€"},
		{"🙈b", "\ufffdb"},
		{"abc", "abc"},
	} {
		if got := short(c.text, 5); got != c.want || !utf8.ValidString(got) {
			t.Errorf("short(%q, 5) = %q, want %q", c.text, got, c.want)
		}
	}
}
