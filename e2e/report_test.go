package e2e

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Debian's Postfix takes a report from the program of the settings and delivers it as it
// was printed.
func TestRealPostfixDeliversTheReport(t *testing.T) {
	t.Parallel()
	delivered := make(chan string, 1)
	p := startPostfix(t, serveSMTP(t, answers{taken: func(message string) { delivered <- message }}))
	dir := t.TempDir()
	sendmail := "#!/bin/sh\n"
	for _, v := range p.env {
		if strings.HasPrefix(v, "MAIL_CONFIG=") || strings.HasPrefix(v, "LD_LIBRARY_PATH=") {
			sendmail += "export '" + v + "'\n"
		}
	}
	sendmail += "exec " + filepath.Join(p.root, "usr/sbin/sendmail") + " \"$@\"\n"
	db, settings := filepath.Join(dir, "r.db"), filepath.Join(dir, "config.yaml")
	for name, content := range map[string]string{
		"sendmail":    sendmail,
		"config.yaml": "database: " + db + "\nreport: {mail: [postmaster@example.com], sendmail: " + filepath.Join(dir, "sendmail") + "}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "import", "--config", settings, "../testdata/logs/postfix/main/mail.log.gz")
	span := []string{"--config", settings, "--since", "2026-11-20", "--until", "2026-11-27"}
	if out := run(t, append(span, "report", "--send")...); out != "" {
		t.Errorf("the command printed %q", out)
	}
	checkReport(t, next(t, "the report", delivered), run(t, append(span, "report", "--format", "text")...))
}

// checkReport checks the parts of a report as it arrived.
func checkReport(t *testing.T, message, want string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(message))
	if err != nil {
		t.Fatalf("%v in\n%s", err, message)
	}
	if got := m.Header.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted: %q", got)
	}
	if got := m.Header.Get("To"); got != "<postmaster@example.com>" {
		t.Errorf("To: %q", got)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	mixed := multipart.NewReader(m.Body, params["boundary"])
	first, err := mixed.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	_, params, err = mime.ParseMediaType(first.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	alternative := multipart.NewReader(first, params["boundary"])
	text, err := alternative.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(text)
	if err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != want {
		t.Errorf("%v; the text that arrived is\n%s\nand that of --format text\n%s", err, got, want)
	}
	html, err := alternative.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	if got, err = io.ReadAll(html); err != nil || !strings.Contains(string(got), "bgcolor=") || strings.Contains(string(got), "<svg") {
		t.Errorf("%v; the HTML that arrived is\n%s", err, got)
	}
	if file, err := mixed.NextPart(); err != nil || file.FileName() != "bouncetail-2026-11-26.html" {
		t.Errorf("the file is %q, %v", file.FileName(), err)
	}
	if _, err := mixed.NextPart(); !errors.Is(err, io.EOF) {
		t.Errorf("there is another part: %v", err)
	}
}

func TestUnitsOfTheReportAreSound(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: no systemd-analyze here, so the units are not verified")
	}
	units := t.TempDir()
	for _, name := range []string{"bouncetail-report.service", "bouncetail-report.timer"} {
		text := strings.Replace(file(t, "systemd/"+name), "ExecStart=bouncetail", "ExecStart="+program(t), 1)
		if err := os.WriteFile(filepath.Join(units, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(units, "bouncetail-report.timer"), filepath.Join(units, "bouncetail-report.service")).CombinedOutput()
	if err != nil || strings.Contains(string(out), "bouncetail-report") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
