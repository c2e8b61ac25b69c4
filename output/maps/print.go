package maps

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Print describes what was written into a directory, and how a mail server uses it.
func (r *Result) Print(w io.Writer, dir string) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s published", text.Amount(r.Addresses, "address"))
	if r.LeftOut > 0 {
		fmt.Fprintf(&out, ", %s left out that a map cannot hold", text.Thousands(int64(r.LeftOut)))
	}
	fmt.Fprintln(&out)
	for _, m := range Maps {
		path := filepath.Join(dir, m.File)
		if !slices.Contains(r.Files, path) {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "\n%s (%s bytes)\n", text.Printable(path), text.Thousands(info.Size()))
		for _, line := range m.usesOf(path) {
			fmt.Fprintf(&out, "  %s\n", text.Printable(line))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
