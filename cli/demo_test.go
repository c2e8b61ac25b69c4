package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/text"
)

// make run has to show something, whatever log the machine has.
func TestDemoReadsTheSampleWhereTheLogHoldsNoFailure(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("SKIPPED: no bash here to run scripts/demo")
	}
	const sent = "2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3D: to=<jane@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 OK)\n"
	const bounced = "2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3E: to=<gone@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n"
	for name, c := range map[string]struct {
		log  string
		says string
		not  string
	}{
		"no failure":  {sent, "The log of this machine holds no failed delivery. Reading the sample as well", "instead"},
		"other lines": {"hello\n", "The log of this machine holds no failed delivery. Reading the sample as well", "instead"},
		"a failure":   {bounced, "gone@example.net", "sample"},
		"no log":      {"", "There is no mail log on this machine. Reading the sample instead", "as well"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log := filepath.Join(dir, "mail.log")
			if err := os.WriteFile(log, []byte(c.log), 0o600); err != nil {
				t.Fatal(err)
			}
			program, err := exec.LookPath("bouncetail") // testscript puts it into PATH
			if err != nil {
				t.Skipf("SKIPPED: %v", err)
			}
			cmd := exec.CommandContext(t.Context(), "bash", "../scripts/demo", filepath.Join(dir, "demo.db"), "../testdata/logs/postfix/soft/mail.log.gz")
			cmd.Env = append(os.Environ(), "BOUNCETAIL_DEMO_LOGS="+log, "BOUNCETAIL_DEMO_PROGRAM="+program)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.says) || strings.Contains(string(out), c.not) || !strings.Contains(string(out), "recipient") {
				t.Errorf("scripts/demo: %v; want %q and not %q in\n%s", err, c.says, c.not, out)
			}
			// The import is not on a terminal here, so its lines are whole.
			_, shown, found := strings.Cut(strings.NewReplacer(dir, "/tmp/demo", program, "./bouncetail").Replace(string(out)), "Recipients that failed")
			if !found {
				t.Errorf("no list of recipients in\n%s", out)
			}
			if next := strings.Count(string(out), "Next: ") + strings.Count(string(out), "Try:"); next != 1 {
				t.Errorf("%d times next steps, want one in\n%s", next, out)
			}
			for line := range strings.Lines(shown) {
				if n := text.Columns(strings.TrimSpace(line)); n > 80 {
					t.Errorf("a line of %d columns: %s", n, line)
				}
			}
		})
	}
}
