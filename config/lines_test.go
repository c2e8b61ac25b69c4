package config_test

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/config"
)

func TestProblemsNameTheirLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a value":      {"database: x\n\nlog:\n  level: loud\n", "line 4: log.level:"},
		"a source":     {"sources:\n  - path: x\n  - path: y\n    mta: qmail\n", "line 4: sources[1].mta:"},
		"misspelt":     {"# a comment\ndatabse: x\n", "line 2: unknown key"},
		"a wrong type": {"\nmax_line: many\n", "line 2: max_line:"},
		"missing":      {"\nsources:\n  - mta: exim\n", "line 3: sources[0].path:"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := config.Load(write(t, c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load(%q): %v; want it to say %q", c.text, err, c.want)
			}
		})
	}
}

// A misspelt variable would have no effect, and nobody would see it.
func TestUnknownVariablesAreErrors(t *testing.T) {
	t.Setenv("BOUNCETAIL_DATABSE", "/tmp/b.db")
	t.Setenv("BOUNCETAIL_TEST_ANYTHING", "1")
	_, err := config.Load(write(t, ""))
	if err == nil || !strings.Contains(err.Error(), "unknown environment variable BOUNCETAIL_DATABSE; did you mean BOUNCETAIL_DATABASE?") || strings.Contains(err.Error(), "ANYTHING") {
		t.Errorf("Load: %v", err)
	}
}

func TestErrorsOfTheEnvironmentNameTheVariable(t *testing.T) {
	t.Setenv("BOUNCETAIL_LOG_LEVEL", "loud")
	_, err := config.Load(write(t, "log:\n  level: info\n"))
	if err == nil || !strings.Contains(err.Error(), "settings from the environment:\n  BOUNCETAIL_LOG_LEVEL (log.level): \"loud\" is not one of") || strings.Contains(err.Error(), "line ") {
		t.Errorf("Load: %v", err)
	}
}
