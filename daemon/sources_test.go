package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	mailLine    = "2026-11-23T13:05:13+00:00 mx postfix/qmgr[1]: 4jY5lF27Tfz: removed\n"
	dovecotLine = "2026-11-23T13:05:13+00:00 mx dovecot: imap-login: Login: user=<a>, rip=192.0.2.1\n"
)

// A default log is followed if a mail server writes to it.
func TestALogHoldsMailIfAMailServerWroteALine(t *testing.T) {
	fill := strings.Repeat(dovecotLine, 2*sampleSize/len(dovecotLine)) // more than is read of either end
	for name, c := range map[string]struct {
		files map[string]string // by name
		want  bool
	}{
		"a line of Postfix":                      {map[string]string{"mail.log": mailLine}, true},
		"a delivery that cannot be parsed":       {map[string]string{"mail.log": strings.Replace(mailLine, "removed", "to=<a@b.example>, status=sent", 1)}, true},
		"only another program":                   {map[string]string{"mail.log": dovecotLine}, false},
		"nothing":                                {map[string]string{"mail.log": ""}, false},
		"a line that is not complete":            {map[string]string{"mail.log": strings.TrimSuffix(mailLine, "\n")}, false},
		"mail at the head of a large log":        {map[string]string{"mail.log": mailLine + fill + dovecotLine}, true},
		"mail at the tail of a large log":        {map[string]string{"mail.log": fill + mailLine}, true},
		"an empty log that was rotated":          {map[string]string{"mail.log": "", "mail.log.1": mailLine}, true},
		"the last rotated file is another's":     {map[string]string{"mail.log": "", "mail.log.1": dovecotLine, "mail.log.2": mailLine}, false},
		"NUL bytes before a line, after a crash": {map[string]string{"mail.log": strings.Repeat("\x00", 4096) + "\n" + mailLine}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, data := range c.files {
				path := filepath.Join(dir, file)
				if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
				if file == "mail.log.2" { // older, in whatever order the map yields them
					if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := ThisMachine(dir).HoldsMail(filepath.Join(dir, "mail.log"))
			if err != nil || got != c.want {
				t.Errorf("HoldsMail = %v, %v; want %v", got, err, c.want)
			}
		})
	}
	if _, err := holdsMail(filepath.Join(t.TempDir(), "mail.log")); err == nil {
		t.Error("a log that does not exist gives no error")
	}
}
