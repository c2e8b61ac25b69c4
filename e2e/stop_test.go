package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Initializing the rules and grammars takes milliseconds, in which a SIGTERM
// would kill the process.
func TestSignalsAreCaughtBeforeTheProgramInitializes(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	trace := string(out)
	first := strings.Index(trace, "init github.com/bouncetail/bouncetail/internal/earlystop ")
	for _, slow := range []string{"classify", "logparse"} {
		if at := strings.Index(trace, "init github.com/bouncetail/bouncetail/"+slow+" "); first < 0 || at < first {
			t.Errorf("%s is initialized before signals are caught:\n%s", slow, trace)
		}
	}
}

// The daemon exits with 0 at any time after package earlystop is initialized.
func TestSIGTERMDuringTheStart(t *testing.T) {
	log := newMailLog(t)
	log.messages(0, 1000)
	t.Setenv("GODEBUG", "inittrace=1")
	for pause := range 10 {
		told := filepath.Join(t.TempDir(), "told")
		d := startInto(t, told, "--db", filepath.Join(t.TempDir(), "b.db"), log.path)
		waitFor(t, "signals to be caught", func() bool { return strings.Contains(words(told), "/internal/earlystop ") })
		time.Sleep(time.Duration(pause) * 3 * time.Millisecond) // a different moment each time
		d.stop()
	}
}
