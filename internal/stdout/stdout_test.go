package stdout

import (
	"os"
	"os/exec"
	"testing"
)

const child = "BOUNCETAIL_TEST_STDOUT"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		if _, err := Writer().Write([]byte("text")); err != nil {
			os.Exit(9)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestWritingToClosedStandardOutputFails(t *testing.T) {
	for redirect, want := range map[string]int{">&-": 9, ">/dev/full": 9, ">/dev/null": 0, "<&- >/dev/null": 0} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$0" `+redirect, os.Args[0])
		cmd.Env = append(os.Environ(), child+"=1")
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != want {
			t.Errorf("%s: exit code %d (%v), want %d", redirect, cmd.ProcessState.ExitCode(), err, want)
		}
	}
}
