package sqlite

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files again")

// object is a table or a view as its statement in the file explains it.
type object struct {
	kind, name, about string
	columns           [][2]string // of a table: name, what it holds
	query             string      // of a view
}

var (
	tableLine   = regexp.MustCompile(`^CREATE TABLE "?(\w+)"? \($`)
	viewLine    = regexp.MustCompile(`^CREATE VIEW (\w+) AS$`)
	commentLine = regexp.MustCompile(`^\s*-- (.+)$`)
	columnLine  = regexp.MustCompile(`^  ([a-z_]+) [A-Z][^-]*-- (.+)$`)
	addedColumn = regexp.MustCompile(`, (\w+ (?:TEXT|INTEGER|BLOB)) /\* (.+?) \*/(,? -- .+)?`) // by ALTER TABLE, before the comment of the last column
	keyLine     = regexp.MustCompile(`^  PRIMARY KEY \(.*\)$`)
	endLine     = regexp.MustCompile(`^\)( WITHOUT ROWID)?$`)
)

// explained reads the comments out of the statements that a new database
// holds, and reports what has none.
func explained(t *testing.T) []object {
	s, _ := openNew(t)
	rows, err := s.db.QueryContext(t.Context(), "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var objects []object
	for rows.Next() {
		var o object
		var statement string
		if err := rows.Scan(&o.kind, &o.name, &statement); err != nil {
			t.Fatal(err)
		}
		statement = addedColumn.ReplaceAllString(statement, "$3\n  $1, -- $2\n")
		lines := strings.Split(statement, "\n")
		about := commentLine.FindStringSubmatch(lines[1])
		if about == nil {
			t.Errorf("%s %s: no comment behind its first line", o.kind, o.name)
			continue
		}
		o.about = about[1]
		switch {
		case viewLine.MatchString(lines[0]):
			o.query = strings.Join(lines[2:], "\n")
		case tableLine.MatchString(lines[0]):
			for _, line := range lines[2:] {
				if m := columnLine.FindStringSubmatch(line); m != nil {
					o.columns = append(o.columns, [2]string{m[1], m[2]})
				} else if line != "" && !keyLine.MatchString(line) && !endLine.MatchString(line) {
					t.Errorf("table %s: no comment in %q", o.name, line)
				}
			}
		default:
			t.Errorf("%s %s begins with %q", o.kind, o.name, lines[0])
		}
		objects = append(objects, o)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestPageOfTheDatabaseIsCurrent(t *testing.T) {
	const path = "../docs/database.md"
	var page strings.Builder
	page.WriteString(`# The database

<!-- Made from the comments in sqlite/migrations by: go test ./sqlite -update -->

One SQLite file in WAL mode, by default ` + "`/var/lib/bouncetail/bouncetail.db`" + `. Query it with ` + "`bouncetail sql`" + ` or ` + "`sqlite3 -readonly`" + `. Both work while the daemon runs and after it has stopped, and need no permission to write. Do not write to it, and do not give it to a mail server as a lookup table: a mail server must read a separate file, made by ` + "`bouncetail publish`" + ` (see [mta.md](mta.md)).

The same explanations are in the file itself: ` + "`.schema bounces`" + `.

For a copy while the daemon runs, use ` + "`bouncetail backup copy.db`" + `. A copy of the file alone lacks what is still in the ` + "`-wal`" + ` file next to it.

Failures of one address are found by its number, which ` + "`recipients`" + ` holds, and not by its spelling:

` + "```sql" + `
SELECT b.* FROM recipients r JOIN bounces b USING (recipient_key) WHERE r.recipient = 'jane@example.com';
` + "```" + `

`)
	for _, o := range explained(t) {
		fmt.Fprintf(&page, "## %s\n\n%s", o.name, o.about)
		if o.kind == "view" {
			fmt.Fprintf(&page, " A view:\n\n```\n%s\n```\n\n", o.query)
			continue
		}
		page.WriteString("\n\n| column | holds |\n| --- | --- |\n")
		for _, c := range o.columns {
			fmt.Fprintf(&page, "| `%s` | %s |\n", c[0], c[1])
		}
		page.WriteString("\n")
	}
	want := strings.TrimSuffix(page.String(), "\n")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the schema says; run go test ./sqlite -update and read the diff", path)
	}
}
