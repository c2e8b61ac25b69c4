package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/export"
)

// A program that takes small files alone gets many of them, each whole, and all
// addresses once.
func TestALargeExportGoesInParts(t *testing.T) {
	i := slices.IndexFunc(export.Formats, func(f export.Format) bool { return f.Name == "mailgun-csv" })
	was := export.Formats[i].MaxBytes
	const small = 10_000
	export.Formats[i].MaxBytes = small
	t.Cleanup(func() { export.Formats[i].MaxBytes = was })
	db := sample(t)
	call := func(args ...string) (out, errs string, code int) {
		var stdout, stderr bytes.Buffer
		code = Main(append([]string{"export", "--db", db, "--format", "mailgun-csv"}, args...), strings.NewReader(""), &stdout, &stderr)
		return stdout.String(), stderr.String(), code
	}

	if _, errs, code := call(); code != 1 || !strings.Contains(errs, "larger than the 10000 bytes") || !strings.Contains(errs, "export in parts with --cursor NAME") {
		t.Errorf("without a cursor: exit code %d, %s", code, errs)
	}
	told := map[string]int{}
	parts := 0
	for more := true; more && parts < 1000; parts++ {
		out, errs, code := call("--cursor", "mailgun")
		if code != 0 || len(out) > small || !strings.HasPrefix(out, "address,code,error,created_at\n") {
			t.Fatalf("part %d: exit code %d, %d bytes, %s", parts, code, len(out), errs)
		}
		for line := range strings.Lines(out) {
			address, _, _ := strings.Cut(line, ",")
			told[address]++
		}
		more = strings.Contains(errs, "more is waiting; run the same command again")
	}
	delete(told, "address")
	export.Formats[i].MaxBytes = was
	whole, errs, code := call()
	if code != 0 {
		t.Fatalf("the whole: exit code %d, %s", code, errs)
	}
	n := 0
	for line := range strings.Lines(whole) {
		address, _, _ := strings.Cut(line, ",")
		if n++; n > 1 && told[address] != 1 {
			t.Errorf("%s was told %d times, want once", address, told[address])
		}
	}
	if len(told) != n-1 || parts < 3 {
		t.Errorf("%d addresses in %d parts, want %d in three or more", len(told), parts, n-1)
	}
}
