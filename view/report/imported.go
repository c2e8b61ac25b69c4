package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Interrupted says how much of an import is stored. The number of all lines is
// estimated from the part of the bytes that was read.
func Interrupted(lines, bytesRead, bytesInAll int64) string {
	if lines == 0 {
		return "Interrupted. Nothing is stored yet; run the same command to start again."
	}
	stored := shortNumber(lines) + " lines are stored"
	if bytesRead > 0 && bytesInAll > bytesRead {
		total := int64(float64(lines) * float64(bytesInAll) / float64(bytesRead))
		a, b := shortNumber(lines), shortNumber(total)
		if strings.HasSuffix(a, " million") && strings.HasSuffix(b, " million") {
			a = strings.TrimSuffix(a, " million")
		}
		stored = fmt.Sprintf("%s of %s lines are stored", a, b)
	}
	return "Interrupted. " + stored + "; run the same command to continue."
}

// shortNumber writes 3,100,000 as 3.1 million.
func shortNumber(n int64) string {
	if n < 1_000_000 {
		return text.Thousands(n)
	}
	return fmt.Sprintf("%.1f million", float64(n)/1e6)
}

// ProgressLine returns a function that rewrites one line of a terminal a few
// times a second, and one that clears it.
func ProgressLine(w io.Writer) (progress func(done, total int64), clear func()) {
	var last time.Time
	progress = func(done, total int64) {
		if now := time.Now(); total > 0 && now.Sub(last) > 200*time.Millisecond {
			last = now
			fmt.Fprintf(w, "\r%3d %% of %d MB", 100*done/total, total>>20)
		}
	}
	return progress, func() {
		if !last.IsZero() {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
