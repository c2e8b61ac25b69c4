package report

import "testing"

func TestInterruptionsSayHowMuchIsStored(t *testing.T) {
	for _, c := range []struct {
		lines, read, total int64
		want               string
	}{
		{0, 0, 100, "Interrupted. Nothing is stored yet; run the same command to start again."},
		{3_100_000, 31, 105, "Interrupted. 3.1 of 10.5 million lines are stored; run the same command to continue."},
		{5_000, 1, 1000, "Interrupted. 5,000 of 5.0 million lines are stored; run the same command to continue."},
		{5_000, 0, 0, "Interrupted. 5,000 lines are stored; run the same command to continue."},
	} {
		if got := Interrupted(c.lines, c.read, c.total); got != c.want {
			t.Errorf("Interrupted(%d, %d, %d) = %q, want %q", c.lines, c.read, c.total, got, c.want)
		}
	}
}
