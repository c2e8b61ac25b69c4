package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/config"
)

func TestAFileOfTheDSNThatEverybodyMayReadIsWarnedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.dsn")
	if err := os.WriteFile(path, []byte("host=db.example password=hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := config.Default()
	settings.Fleet.DSNFile = path
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o604: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := Fleet(settings, "1", slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		checked, err := Check(t.Context(), settings, nil, CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for what, said := range map[string]string{"the log": log.String(), "check-config": strings.Join(checked.Warnings, "\n")} {
			if got := strings.Contains(said, "chmod o= "+path); got != warned || strings.Contains(said, "hunter2") {
				t.Errorf("mode %o: warned %v in %s, want %v: %s", mode, got, what, warned, said)
			}
		}
	}
}

func TestAMissingFileOfTheDSNIsNamed(t *testing.T) {
	settings := config.Default()
	settings.Fleet.DSNFile = filepath.Join(t.TempDir(), "fleet.dsn")
	want := "fleet.dsn_file: cannot read " + settings.Fleet.DSNFile + ": no such file"
	if _, err := Fleet(settings, "1", slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("the error is %v, want %q", err, want)
	}
	checked, err := Check(t.Context(), settings, nil, CheckOptions{})
	if err != nil || !strings.Contains(strings.Join(checked.Warnings, "\n"), want) {
		t.Errorf("check-config warns %q, %v; want %q", checked.Warnings, err, want)
	}
}
