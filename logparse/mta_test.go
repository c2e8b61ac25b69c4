package logparse_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// The tests of this package run these lines through every header, damage and quotation
// that they know. A mail server of which none is in a table is not tested.
func TestTablesHaveLinesOfEveryMTA(t *testing.T) {
	const header = "Nov 23 12:57:36 mx "
	tables := make(map[string][]string)
	for _, f := range damagedForms {
		tables["damagedForms"] = append(tables["damagedForms"], f.header+f.id+f.rest)
	}
	for _, line := range idleLines {
		tables["idleLines"] = append(tables["idleLines"], header+line)
	}
	for _, f := range forgedBodies {
		tables["forgedBodies"] = append(tables["forgedBodies"], header+f.tag+": "+f.body)
	}
	for _, q := range quoters {
		tables["quoters"] = append(tables["quoters"], header+q.tag+": "+q.body)
	}
	for name, lines := range tables {
		for _, mta := range bounce.MTAs {
			p := newParser(t, bounce.MTA(mta))
			events(p, strings.Join(lines, "\n")+"\n")
			if p.Counts().Recognised == 0 {
				t.Errorf("%s has no line of %s", name, mta)
			}
		}
	}
}

func TestThereAreLogsOfEveryMTA(t *testing.T) {
	for _, mta := range bounce.MTAs {
		if _, err := os.Stat(filepath.Join("testdata", mta+".log")); err != nil {
			t.Errorf("the lines of %s chosen for their forms: %v", mta, err)
		}
		folders, err := filepath.Glob("../testdata/logs/" + mta + "/*")
		if err != nil || len(folders) == 0 {
			t.Errorf("../testdata/logs/%s has no folder with logs, %v", mta, err)
		}
		for _, folder := range folders {
			name := mta + "/" + filepath.Base(folder)
			if len(samples[name]) == 0 {
				t.Errorf("samples in golden_test.go has no log of %s", name)
			}
		}
	}
}
