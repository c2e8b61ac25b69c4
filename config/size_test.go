package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAHugeSettingsFileIsRefused(t *testing.T) {
	log := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(log, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := readFile(log, true); err == nil || !strings.Contains(err.Error(), "larger than 16 MB") {
		t.Errorf("a file of %d bytes: %v, want an error that names the limit", maxFile+1, err)
	}
}
