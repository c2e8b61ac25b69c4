package config

import (
	"strings"
	"testing"
)

func TestAnEndlessSettingsFileIsRefused(t *testing.T) {
	if _, err := readFile("/dev/zero", true); err == nil || !strings.Contains(err.Error(), "larger than 16 MB") {
		t.Errorf("settings in /dev/zero: %v, want an error that names the limit", err)
	}
}
