package cli

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

// What looks like an address; ids of messages and rules have no such part.
var addressLike = regexp.MustCompile(`[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+`)

func TestLogAtInfoNamesNoAddress(t *testing.T) {
	db := t.TempDir() + "/b.db"
	var out, errs bytes.Buffer
	args := []string{"import", "--db", db, "--log-level", "info", "--log-format", "json"}
	for _, mta := range bounce.MTAs {
		logs, err := filepath.Glob("../testdata/logs/" + mta + "/main/*log.gz")
		if err != nil || len(logs) == 0 {
			t.Fatalf("%s: %q, %v", mta, logs, err)
		}
		args = append(args, logs[0])
	}
	if code := Run(t.Context(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	r, err := query.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := report.Summarize(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	errs.WriteString(f.LogReasons() + "\n" + f.LogProblems())
	if !strings.Contains(errs.String(), "no-such-user") || !strings.Contains(errs.String(), "google") {
		t.Errorf("the summary for the log names no reason or no provider: %s", &errs)
	}
	if found := addressLike.FindAllString(errs.String(), -1); found != nil {
		t.Errorf("the log at info names %q", found)
	}
}
