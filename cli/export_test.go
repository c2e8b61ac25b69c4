package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/output/export"
)

// What does not fit into one file comes in the next, by cursor; without one
// nothing says where to go on.
func TestLargeExportsComeInParts(t *testing.T) {
	db := sample(t)
	i := slices.IndexFunc(export.Formats, func(f export.Format) bool { return f.Name == "mailgun-csv" })
	part := func(cursor bool) (rows []string, remarks string, err error) {
		var out, said bytes.Buffer
		e := daemon.Export{Question: daemon.Question{Config: config.Config{Database: db}}, Run: export.Run{Format: export.Formats[i], Options: export.Options{ByDefault: true}, Stdout: &out, Remarks: &said}}
		e.Format.MaxBytes = 10_000
		if cursor {
			e.Cursor = "parts"
		}
		err = e.Write(t.Context())
		if out.Len() > e.Format.MaxBytes {
			t.Errorf("a part of %d bytes", out.Len())
		}
		for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n")[min(1, out.Len()):] {
			address, _, _ := strings.Cut(line, ",")
			rows = append(rows, address)
		}
		return rows, said.String(), err
	}
	if _, _, err := part(false); err == nil || !strings.Contains(err.Error(), "larger than the 10000 bytes that its program takes; export in parts with --cursor NAME") {
		t.Errorf("without a cursor: %v", err)
	}
	var got []string
	for n, more := 0, true; more; n++ {
		rows, remarks, err := part(true)
		if err != nil || n > 100 {
			t.Fatalf("part %d: %v", n, err)
		}
		got = append(got, rows...)
		more = strings.Contains(remarks, "run the same command again for the next part")
		if !more && n == 0 {
			t.Error("all of it fits into one part")
		}
	}
	var out, said bytes.Buffer
	whole := daemon.Export{Question: daemon.Question{Config: config.Config{Database: db}}, Run: export.Run{Format: export.Formats[i], Options: export.Options{ByDefault: true}, Stdout: &out, Remarks: &said}}
	if err := whole.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
		address, _, _ := strings.Cut(line, ",")
		want = append(want, address)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the parts hold %d addresses, the whole %d: %s", len(got), len(want), fmt.Sprint(got))
	}
}
