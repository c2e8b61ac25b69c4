package report

import "testing"

// Strangers choose the names of domains, and an admin copies the command.
func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"hoster.example":    "hoster.example",
		"192.0.2.1":         "192.0.2.1",
		"":                  "''",
		"a;reboot.example":  "'a;reboot.example'",
		"$(reboot).example": "'$(reboot).example'",
		"it's.example":      `'it'\''s.example'`,
		"two words.example": "'two words.example'",
	} {
		if got := shellWord(in); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", in, got, want)
		}
	}
}
