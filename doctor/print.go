package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/table"
)

// Failed returns an error that counts the checks that failed, nil if none did.
func Failed(results []CheckResult) error {
	failed := 0
	for _, r := range results {
		if r.Status == Fail {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed; each says above what to do", failed, len(results))
}

// Print prints results for people.
func Print(out *table.Screen, results []CheckResult) error {
	var b strings.Builder
	for _, r := range results {
		colour := map[string]string{OK: table.Green, Warn: table.Yellow, Fail: table.Red}[r.Status]
		fmt.Fprintf(&b, "%s %-11s  %s\n", out.Paint(colour, fmt.Sprintf("%-4s", r.Status)), r.Check, text.Wrap(text.Printable(r.Says), out.ProseWidth(), 18))
		if r.Do != "" {
			fmt.Fprintf(&b, "     %-11s  %s\n", "", out.Paint(table.Bold, "→ "+text.Wrap(text.Printable(r.Do), out.ProseWidth(), 20)))
		}
	}
	_, err := io.WriteString(out.Out, b.String())
	return err
}
