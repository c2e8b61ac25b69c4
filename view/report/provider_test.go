package report_test

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/cli"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// The reports of all providers together have the numbers of the whole.
func TestReportsOfProvidersAddUp(t *testing.T) {
	db := filepath.Join(t.TempDir(), "b.db")
	if code := cli.Run(t.Context(), []string{"import", "--db", db, "../../testdata/logs/postfix/main/mail.log.gz"}, strings.NewReader(""), io.Discard, io.Discard); code != 0 {
		t.Fatalf("import exits with %d", code)
	}
	r, err := query.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last string
	if err := r.Querier().QueryRowContext(t.Context(), "SELECT max(occurred_at) FROM bounces").Scan(&last); err != nil {
		t.Fatal(err)
	}
	day, err := time.Parse(time.DateOnly, last[:10])
	if err != nil {
		t.Fatal(err)
	}
	read := func(provider string) *report.Digest {
		t.Helper()
		d, err := report.ReadDigest(t.Context(), r, report.DigestOptions{Since: day.AddDate(0, 0, -2), Until: day.AddDate(0, 0, 1), Now: day, Addresses: 1000, Provider: provider})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	whole := read("")
	numbers, days := make([]int64, len(whole.Numbers)), slices.Clone(whole.Days)
	bad, addresses := int64(0), 0
	for _, provider := range append(classify.Providers(), "other") {
		d := read(provider)
		for i, n := range d.Numbers {
			numbers[i] += n.N
		}
		for i := range d.Days {
			days[i].Delivered -= d.Days[i].Delivered
			days[i].Bounced -= d.Days[i].Bounced
		}
		bad, addresses = bad+d.NewlyBad.N, addresses+len(d.NewlyBad.Addresses)
		senders := 0
		for _, s := range d.Senders {
			senders += s.Failed
		}
		attempts := d.Numbers[1].N + d.Numbers[2].N + d.Numbers[3].N
		if len(d.Senders) < 10 && int64(senders) != attempts {
			t.Errorf("%s: %d failures of senders, %d failed", provider, senders, attempts)
		}
		if replies := 0; len(d.Replies) < 10 {
			for _, u := range d.Replies {
				replies += u.Count
			}
			if int64(replies) != attempts {
				t.Errorf("%s: %d replies, %d failed", provider, replies, attempts)
			}
		}
		for _, i := range d.Incidents {
			if i.Subject != provider {
				t.Errorf("%s has the incident %s", provider, i.Subject)
			}
		}
		if d.Since != last[:10] || len(d.Providers) > 1 {
			t.Errorf("%s: counted since %q, %d providers", provider, d.Since, len(d.Providers))
		}
	}
	for i, n := range whole.Numbers {
		if n.N != numbers[i] {
			t.Errorf("%s: %d in all, %d by provider", n.Name, n.N, numbers[i])
		}
	}
	for _, d := range days {
		if d.Delivered != 0 || d.Bounced != 0 {
			t.Errorf("%s differs: %+v", d.Day, d)
		}
	}
	if bad != whole.NewlyBad.N || addresses != len(whole.NewlyBad.Addresses) || bad == 0 {
		t.Errorf("%d newly bad and %d listed by provider, %d and %d in all", bad, addresses, whole.NewlyBad.N, len(whole.NewlyBad.Addresses))
	}
	var out bytes.Buffer
	if err := read("google").PrintText(&table.Screen{Out: &out}, table.Zone{Location: time.UTC}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{", google, ", "\nReplies\n", "Attempts are counted by provider since " + last[:10]} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "\nProviders\n") {
		t.Error("the report of one provider compares providers")
	}
}

func TestProvidersAreKnown(t *testing.T) {
	for name, want := range map[string]string{"": "", "google": "", "other": "", "gogle": "did you mean google?", "x' OR 1": "is not a provider"} {
		err := report.CheckProvider(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
