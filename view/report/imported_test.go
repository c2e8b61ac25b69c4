package report

import (
	"strings"
	"testing"
)

func TestProgressOfSmallFilesIsInKilobytes(t *testing.T) {
	for bytes, want := range map[int64]string{1: "1 kB", 1024: "1 kB", 300_000: "293 kB", 1<<20 - 1: "1024 kB", 1 << 20: "1 MB", 3 << 30: "3072 MB"} {
		var out strings.Builder
		progress, _ := ProgressLine(t.Context(), &out)
		progress(bytes, bytes)
		if got := out.String(); got != "\r100 % of "+want {
			t.Errorf("progress of %d bytes: %q, want %q", bytes, got, want)
		}
	}
}

func TestInterruptionsSayHowMuchIsStored(t *testing.T) {
	for _, c := range []struct {
		saved, lines, read, total int64
		want                      string
	}{
		{0, 10_000, 0, 100, "Nothing is stored yet; run the same command to start again."},
		{3_100_000, 3_100_000, 31, 105, "3.1 of 10.5 million lines are stored; run the same command to continue."},
		{2_100_000, 3_100_000, 31, 105, "2.1 of 10.5 million lines are stored; run the same command to continue."},
		{5_000, 5_000, 1, 1000, "5,000 of 5.0 million lines are stored; run the same command to continue."},
		{5_000, 5_000, 0, 0, "5,000 lines are stored; run the same command to continue."},
	} {
		if got := Kept(c.saved, c.lines, c.read, c.total); got != c.want {
			t.Errorf("Kept(%d, %d, %d, %d) = %q, want %q", c.saved, c.lines, c.read, c.total, got, c.want)
		}
	}
}
