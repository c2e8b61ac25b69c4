package cli

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
)

// block is a fenced block of a page.
type block struct {
	page, language, text string
	line                 int
	notRun               string // why, from the comment before it: <!-- not run: needs root -->
}

var notRun = regexp.MustCompile(`^<!-- not run: (.+) -->$`)

// blocks returns those of the README and of docs, and reports code that stands
// in no fence, because nothing would try it.
func blocks(t *testing.T) []block {
	t.Helper()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages in docs: %v", len(pages), err)
	}
	var all []block
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var open *block
		before := ""
		for n, line := range strings.Split(string(text), "\n") {
			switch {
			case open != nil && line == "```":
				all = append(all, *open)
				open = nil
			case open != nil:
				open.text += line + "\n"
			case strings.HasPrefix(line, "```"):
				open = &block{page: filepath.Base(page), language: strings.TrimPrefix(line, "```"), line: n + 1}
				if m := notRun.FindStringSubmatch(before); m != nil {
					open.notRun = m[1]
				}
			case strings.HasPrefix(line, "    ") && before == "":
				t.Errorf("%s:%d: %q stands in no fence, so nothing tries it", page, n+1, line)
			}
			before = line
		}
		if open != nil {
			t.Errorf("%s:%d: the block has no end", page, open.line)
		}
	}
	return all
}

func TestQueriesOfTheDocsAnswer(t *testing.T) {
	db, err := sql.Open("sqlite3", "file:"+sample(t)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, b := range blocks(t) {
		if b.language != "sql" || b.notRun != "" {
			continue
		}
		if _, err := count(t, db, b.text); err != nil {
			t.Errorf("%s:%d: %v\n%s", b.page, b.line, err, b.text)
		}
	}
}

// The settings and rules that the pages show are read as the program does.
func TestYAMLOfTheDocsLoads(t *testing.T) {
	for _, b := range blocks(t) {
		if b.language != "yaml" || b.notRun != "" {
			continue
		}
		folder := t.TempDir()
		path := filepath.Join(folder, "shown.yaml")
		if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasPrefix(b.text, "- id:") {
			_, err = classify.New(folder)
		} else {
			_, err = config.Load(path)
		}
		if err != nil {
			t.Errorf("%s:%d: %v", b.page, b.line, err)
		}
	}
}

// The commands of each page run in a folder of their own, in the order of the
// page: the folders of the system stand in it, the sample is imported, and sudo
// is nobody. What needs more says so in a comment before it.
func TestCommandsOfTheDocsRun(t *testing.T) {
	scripts := t.TempDir()
	pages := make(map[string][]block)
	for _, b := range blocks(t) {
		if b.language == "sh" && b.notRun == "" {
			pages[b.page] = append(pages[b.page], b)
		}
	}
	for page, shown := range pages {
		var script, files strings.Builder
		for i, b := range shown {
			fmt.Fprintf(&script, "# %s, line %d\nexec sh -eu block%d.sh\n", b.page, b.line, i)
			text := b.text
			for _, folder := range []string{"/var/lib/bouncetail", "/etc/bouncetail", "/backup"} {
				text = strings.ReplaceAll(text, folder, "$WORK"+folder)
			}
			fmt.Fprintf(&files, "-- block%d.sh --\n%s", i, strings.ReplaceAll(text, "/tmp/", "$WORK/tmp/"))
		}
		name := filepath.Join(scripts, strings.TrimSuffix(page, ".md")+".txtar")
		if err := os.WriteFile(name, []byte(script.String()+files.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := os.ReadFile(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 scripts,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			state := filepath.Join(env.WorkDir, "var/lib/bouncetail")
			for _, folder := range []string{state, filepath.Join(env.WorkDir, "tmp"), filepath.Join(env.WorkDir, "backup"), filepath.Join(env.WorkDir, "etc/bouncetail/rules.d"), filepath.Join(env.WorkDir, "sudo")} {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					return err
				}
			}
			if err := os.WriteFile(filepath.Join(state, "bouncetail.db"), db, 0o640); err != nil {
				return err
			}
			log, err := os.ReadFile("../testdata/logs/postfix/main/mail.log.gz")
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "backup/mail.log.gz"), log, 0o640); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "complaints.txt"), []byte("angry@example.com\n"), 0o640); err != nil {
				return err
			}
			const sudo = "#!/bin/sh\n[ \"$1\" != -u ] || shift 2\nexec \"$@\"\n"
			if err := os.WriteFile(filepath.Join(env.WorkDir, "sudo/sudo"), []byte(sudo), 0o755); err != nil {
				return err
			}
			env.Setenv("PATH", filepath.Join(env.WorkDir, "sudo")+":"+env.Getenv("PATH"))
			env.Setenv("BOUNCETAIL_DATABASE", filepath.Join(state, "bouncetail.db"))
			env.Setenv("BOUNCETAIL_RULES", filepath.Join(env.WorkDir, "etc/bouncetail/rules.d"))
			return nil
		},
	})
}

// docs/commands.md is made from the commands.
func TestPageOfCommandsIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Made from the code by: go test ./cli -run Commands -update -->\n\n" +
		"Results go to standard output, remarks to standard error. The exit code is 0 when it is done, 1 when it failed, 2 when it was called wrongly, 78 when the settings are broken and 130 when it was interrupted. `check` and `status` answer with 0, 1 and 2; they exit with 3 when they have no answer, also after a wrong call. " +
		"`bouncetail completion bash`, `zsh` or `fish` prints completions, which the packages install.\n\nFlags of every command:\n\n")
	a := &app{stdout: &b, stderr: &b}
	root := a.root()
	flagTable(&b, root.PersistentFlags())
	for _, c := range all(root) {
		if c.Hidden || !c.IsAvailableCommand() && !c.HasAvailableSubCommands() || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
		about := c.UseLine()
		if c.Long != "" {
			about += "\n\n" + c.Long
		}
		if c.Example != "" {
			about += "\n\nExamples:\n" + c.Example
		}
		fmt.Fprintf(&b, "\n```\n%s\n```\n", about)
		if c.LocalNonPersistentFlags().HasAvailableFlags() {
			b.WriteString("\n")
			flagTable(&b, c.LocalNonPersistentFlags())
		}
	}
	current(t, "../docs/commands.md", b.String())
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | |\n| --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.TrimSpace(name+" "+value), strings.ReplaceAll(usage, "|", "\\|"))
	})
}

// current compares a page that is made from the code, and writes it at -update.
func current(t *testing.T, page, want string) {
	t.Helper()
	if *updatePages {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not current; run go test %s -run '%s' -update", page, "./cli", t.Name())
	}
}

// What a command prints is data for a program too, and each says how.
func TestEveryCommandThatPrintsDataHasJSON(t *testing.T) {
	a := &app{}
	// run and web print no data, export and metrics have --format, and the others print pages or scripts.
	others := strings.Fields(`run web export metrics rules fleet man completion bash zsh fish powershell help`)
	for _, c := range all(a.root()) {
		excepted := slices.Contains(others, c.Name())
		if has := c.Flags().Lookup("json") != nil; has == excepted {
			t.Errorf("%s: --json is there: %v; what prints data has it, and what is named here has not", c.CommandPath(), has)
		}
	}
}

// Help that only repeats the name helps nobody.
func TestEveryCommandThatIsTypedOftenHasExamples(t *testing.T) {
	a := &app{}
	root := a.root()
	for _, name := range []string{"run", "import", "recipients", "explain", "export", "classify", "doctor", "check-config"} {
		c, _, err := root.Find([]string{name})
		if err != nil || c.Example == "" {
			t.Errorf("%s has no example (%v)", name, err)
		}
	}
}
