package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// hostile lists addresses that attackers choose, and similar good ones.
var hostile = []string{
	`" or 1=1 or "@evil.example`,
	`"; drop table user; --"@evil.example`,
	`x\" or 1=1 -- @evil.example`,
	`a\@evil.example`,
	`"a b"@evil.example`,
	`"a@b.example,c"@evil.example`,
	"a,b@evil.example",
	"a;b@evil.example",
	"a b@evil.example",
	"a\tb@evil.example",
	"two\nlines@evil.example",
	"two\r\nlines@evil.example",
	"nul\x00@evil.example",
	"escape\x1b[2J@evil.example",
	"separator\u2028@evil.example",
	"next\u0085@evil.example",
	"right\u202eleft@evil.example",
	"bad\xffbytes@evil.example",
	"=cmd|'/C calc'!A0@evil.example",
	"=1+1@evil.example",
	"+tag@evil.example",
	"-dash@evil.example",
	"@evil.example",
	"root",
	"",
	"x@[192.0.2.9]",
	"x@evil.example\">",
	"<script>@evil.example",
	"a..b@evil.example",
	"a.@evil.example",
	"#comment@evil.example",
	"mid#comment@evil.example",
	"/.*@evil.example/i",
	".*@evil.example",
	"a|b@evil.example",
	"$(reboot)@evil.example",
	"`reboot`@evil.example",
	"fran\u212a@evil.example",
	"jİm@evil.example",
	"🙈@evil.example",
	strings.Repeat("a", 300) + "@evil.example",
	// Ordinary addresses, which every format must contain.
	"o'brien@k.example", "jane+news@k.example", "ann@k.example", "joann@k.example", "ann@k.example.org",
	"a_b-c.d@sub.k.example",
}

var ordinary = hostile[len(hostile)-6:]

func badRow(address string) bounce.Recipient {
	return bounce.Recipient{Recipient: address, Domain: address[strings.LastIndexByte(address, '@')+1:], State: bounce.StateBad, DecidedBy: bounce.ByFailure, Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, BadSince: new("2026-11-02T23:59:59.999Z"), SMTPCode: 550, Reply: "550 5.1.1 \"gone\"; =1+1"}
}

// addressesIn reads a file as its program does.
func addressesIn(t *testing.T, format string, text []byte) []string {
	t.Helper()
	var list []string
	switch {
	case format == "csv" || strings.HasSuffix(format, "-csv"):
		r := csv.NewReader(bytes.NewReader(text))
		if format == "brevo-csv" {
			r.Comma = ';'
		}
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		for _, row := range rows[1:] {
			list = append(list, strings.TrimPrefix(row[0], "'"))
		}
	case format == "brevo":
		var body struct{ JSONBody []struct{ Email string } }
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		for _, c := range body.JSONBody {
			list = append(list, c.Email)
		}
	case format == "json" || format == "ndjson" || format == "mautic":
		for d := json.NewDecoder(bytes.NewReader(text)); ; {
			var value any
			if err := d.Decode(&value); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			objects, isList := value.([]any)
			if !isList {
				objects = []any{value}
			}
			for _, o := range objects {
				fields, _ := o.(map[string]any)
				for _, key := range []string{"recipient", "email"} {
					if a, ok := fields[key].(string); ok {
						list = append(list, a)
					}
				}
			}
		}
	case format == "mailcow":
		for line := range strings.Lines(string(text)) {
			list = append(list, strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "/^"), "$/i"), `\`, ""))
		}
	default:
		list = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	return list
}

// Each address is written unchanged, or left out and counted. None becomes another
// address, and none adds or removes a row.
func TestHostileAddressesChangeNoOtherRow(t *testing.T) {
	rows := make([]bounce.Recipient, len(hostile))
	for i, a := range hostile {
		rows[i] = badRow(a)
	}
	for _, f := range Formats {
		text, file := written(t, f, Options{Lists: []int{7}}, rows)
		var want []string
		for _, a := range hostile {
			if !f.Rejects(a) {
				want = append(want, strings.ToValidUTF8(a, "\ufffd"))
			}
		}
		got := addressesIn(t, f.Name, text)
		if f.Name == "csv" { // encoding/csv drops \r before \n, as RFC 4180 readers may
			for i := range got {
				got[i], want[i] = strings.ToValidUTF8(got[i], "\ufffd"), strings.ReplaceAll(want[i], "\r\n", "\n")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: a reader finds\n%q\nwant\n%q", f.Name, got, want)
		}
		if file.Rows+file.Rejected != len(hostile) {
			t.Errorf("%s: %d rows and %d rejected of %d", f.Name, file.Rows, file.Rejected, len(hostile))
		}
		for _, a := range ordinary {
			if f.Rejects(a) {
				t.Errorf("%s leaves %s out", f.Name, a)
			}
		}
		if what, why := f.Takes(); what == "" || why == "" {
			t.Errorf("%s does not describe its addresses", f.Name)
		}
	}
	if len(acceptances) != len(Formats) {
		t.Errorf("%d acceptances for %d formats", len(acceptances), len(Formats))
	}
}

// phpList's page builds `… WHERE email = "LINE"` from each line. No line may end
// the string.
func TestPHPListLinesStayWithinTheirQuotes(t *testing.T) {
	for _, a := range hostile {
		text, _ := written(t, format(t, "phplist"), Options{}, []bounce.Recipient{badRow(a)})
		line := strings.TrimSuffix(string(text), "\n")
		if strings.ContainsAny(line, "\"\\\n\r\x00\x1a") {
			t.Errorf("%q is written as %q", a, line)
		}
	}
}

// listmonk accepts addresses that net/mail parses to themselves, in lower case.
func TestListmonkAcceptsTheAddressesOfItsFile(t *testing.T) {
	for _, a := range hostile {
		if format(t, "listmonk-csv").Rejects(a) {
			continue
		}
		parsed, err := mail.ParseAddress(strings.ToLower(strings.TrimSpace(a)))
		if err != nil || parsed.Address != a {
			t.Errorf("listmonk refuses %q: %v", a, err)
		}
	}
}

func TestMailcowExpressionsMatchOnlyTheirAddress(t *testing.T) {
	f := format(t, "mailcow")
	for _, a := range hostile {
		if f.Rejects(a) {
			continue
		}
		text, _ := written(t, f, Options{}, []bounce.Recipient{badRow(a)})
		line := strings.TrimSuffix(string(text), "\n")
		re, err := regexp.Compile("(?i)" + strings.TrimSuffix(strings.TrimPrefix(line, "/"), "/i"))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !re.MatchString(strings.ToUpper(a)) {
			t.Errorf("%s does not match %s", line, a)
		}
		for _, other := range hostile {
			if other != a && re.MatchString(other) {
				t.Errorf("%s matches %q", line, other)
			}
		}
	}
}

func TestInternationalDomainsAreWrittenInBothSpellings(t *testing.T) {
	const a, letters = "jo@xn--bcher-kva.example", "jo@bücher.example"
	for _, f := range Formats {
		text, file := written(t, f, Options{Lists: []int{7}}, []bounce.Recipient{badRow(a)})
		want := []string{a, letters}
		accentless := f.Name == "phplist" || f.Name == "mautic" || f.Name == "civicrm-csv"
		if f.Columns || accentless {
			want = want[:1]
		}
		if accentless && !f.Rejects("jörg@example.com") {
			t.Errorf("%s contains jörg@example.com, which its database may treat as jorg@example.com", f.Name)
		}
		if got := addressesIn(t, f.Name, text); !slices.Equal(got, want) || file.Rows != len(want) {
			t.Errorf("%s: %q, %d rows; want %q", f.Name, got, file.Rows, want)
		}
	}
	if got := address.Spellings(a); !slices.Equal(got, []string{a, letters}) {
		t.Errorf("Spellings(%q) = %q", a, got)
	}
}
