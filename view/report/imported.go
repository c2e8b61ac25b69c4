package report

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Kept describes how much of an import that ended early is stored, and how to
// continue. The number of all lines is estimated from the part of the bytes that was
// read.
func Kept(saved, read, bytesRead, bytesInAll int64) string {
	if saved == 0 {
		return "Nothing is stored yet; run the same command to start again."
	}
	stored := shortNumber(saved) + " lines are stored"
	if bytesRead > 0 && bytesInAll > bytesRead {
		total := int64(float64(read) * float64(bytesInAll) / float64(bytesRead))
		a, b := shortNumber(saved), shortNumber(total)
		if strings.HasSuffix(a, " million") && strings.HasSuffix(b, " million") {
			a = strings.TrimSuffix(a, " million")
		}
		stored = fmt.Sprintf("%s of %s lines are stored", a, b)
	}
	return stored + "; run the same command to continue."
}

// shortNumber writes 3,100,000 as 3.1 million.
func shortNumber(n int64) string {
	if n < 1_000_000 {
		return text.Thousands(n)
	}
	return fmt.Sprintf("%.1f million", float64(n)/1e6)
}

// ProgressLine returns a function that rewrites one line of a terminal a few times a
// second until ctx ends, and one that clears it.
func ProgressLine(ctx context.Context, w io.Writer) (progress func(done, total int64), clear func()) {
	var last time.Time
	progress = func(done, total int64) {
		if now := time.Now(); total > 0 && now.Sub(last) > 200*time.Millisecond && ctx.Err() == nil {
			last = now
			fmt.Fprintf(w, "\r%3d %% of %s", 100*done/total, size(total))
		}
	}
	return progress, func() {
		if !last.IsZero() {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// size writes a number of bytes in MB, or in kB if it is less than one.
func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d kB", (bytes+1<<10-1)>>10)
	}
	return fmt.Sprintf("%d MB", bytes>>20)
}

// PrintNext prints the command to call next, on the same database. The program is named
// by its path if it is not installed.
func PrintNext(out io.Writer, command, database string) error {
	program := "bouncetail"
	if _, err := exec.LookPath(program); err != nil && strings.Contains(os.Args[0], "/") {
		program = text.Printable(os.Args[0])
	}
	if database != "" {
		command += " --db " + text.Printable(database)
	}
	_, err := fmt.Fprintf(out, "\nNext: %s %s\n", program, command)
	return err
}
