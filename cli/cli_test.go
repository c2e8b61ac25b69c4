package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bouncetail": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

// No table makes these texts.
func TestTextsNameEveryMTA(t *testing.T) {
	texts := map[string]string{"cli/cli.go (root)": new(app).root().Long}
	for _, name := range []string{"README.md", "config.example.yaml", "docs/glossary.md", "docs/sources.md", "packaging/nfpm.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	for name, text := range texts {
		for _, mta := range bounce.MTAs {
			if !strings.Contains(strings.ToLower(text), mta) {
				t.Errorf("%s does not name %s", name, mta)
			}
		}
	}
}

// The sessions in testdata/script are what a user types, and sees.
func TestSessions(t *testing.T) {
	logs, err := filepath.Abs("../testdata/logs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("LOGS", logs)
			env.Setenv("TZ", "UTC")
			return nil
		},
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Cobra does not return the error of writing a help text.
func TestAHelpThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"export", "--help"}, {"--version"}} {
		if code := Run(t.Context(), args, strings.NewReader(""), full{}, io.Discard); code != exitFailed {
			t.Errorf("Run(%q) = %d, want %d", args, code, exitFailed)
		}
	}
}
