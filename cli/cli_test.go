package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/logparse"
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

// The settings know no grammar, and the grammars no settings.
func TestSettingsNameEveryMTA(t *testing.T) {
	if want := append([]string{"auto"}, logparse.MTAs()...); !slices.Equal(config.MTAs, want) {
		t.Errorf("config.MTAs is %q, want %q", config.MTAs, want)
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
