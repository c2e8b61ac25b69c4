package cli

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")
	cronLine = regexp.MustCompile(`(?m)^17 \* \* \* \* bouncetail (bouncetail .*)$`)
)

// read returns a file of the project.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sample imports the logs that ship and returns the database.
func sample(t *testing.T) string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "b.db")
	var out, errs bytes.Buffer
	args := []string{"import", "--db", db, "../testdata/logs/postfix/main/mail.log.gz", "../testdata/logs/exim/main/mainlog.gz"}
	if code := Run(t.Context(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("bouncetail %s: exit code %d, %s", strings.Join(args, " "), code, &errs)
	}
	return db
}

// The page promises ten questions first.
func TestTenQuestionsAnswer(t *testing.T) {
	db, err := sql.Open("sqlite3", "file:"+sample(t)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ten, _, found := strings.Cut(read(t, "docs/queries.md"), "## More questions")
	blocks := sqlBlock.FindAllStringSubmatch(ten, -1)
	if len(blocks) != 10 || !found {
		t.Errorf("docs/queries.md has %d queries before \"More questions\", want ten", len(blocks))
	}
	for _, block := range blocks {
		query := block[1]
		n, err := count(t, db, query)
		if err != nil {
			t.Errorf("%s\n%v", query, err)
		}
		// The sample does not know Jane, and is older than the last seven days.
		if n == 0 && !strings.Contains(query, "jane@example.com") && !strings.Contains(query, "'now'") {
			t.Errorf("%s\nno row from the sample", query)
		}
	}
}

// count runs a query and returns how many rows it has.
func count(t *testing.T, db *sql.DB, query string) (n int, err error) {
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

func TestCronLineOfTheReadmeExports(t *testing.T) {
	m := cronLine.FindStringSubmatch(read(t, "README.md"))
	if m == nil {
		t.Fatal("README.md has no cron line for an export")
	}
	out := filepath.Join(t.TempDir(), "bad.csv")
	args := strings.Fields(m[1])[1:]
	args[len(args)-1] = out
	var errs bytes.Buffer
	if code := Run(t.Context(), append(args, "--db", sample(t)), strings.NewReader(""), &errs, &errs); code != 0 || errs.Len() > 0 {
		t.Fatalf("%s: exit code %d, %s", m[1], code, &errs)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); !bytes.HasPrefix(text, []byte("recipient,domain,state,")) || lines < 200 {
		t.Errorf("%s wrote %d lines: %.100s", m[1], lines, text)
	}
}
