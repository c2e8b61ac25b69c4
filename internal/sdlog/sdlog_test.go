package sdlog

import (
	"bytes"
	"log/slog"
	"testing"
)

func TestJournalGetsLevelsAndNoStamps(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(&out, slog.LevelInfo))
	log.Debug("nothing")
	log.Info("begun", "log", "/var/log/mail.log")
	log.With("source", 1).Warn("waiting")
	log.Error("gone")
	want := "<6>msg=begun log=/var/log/mail.log\n<4>msg=waiting source=1\n<3>msg=gone\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
