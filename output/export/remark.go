package export

import (
	"fmt"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
)

// remark reports how many addresses of which state were written, and what could
// not be.
func (e *Run) remark(file *File, full bool) {
	fmt.Fprintf(e.Remarks, "%s\n", e.written())
	if file.Rejected > 0 {
		fmt.Fprintf(e.Remarks,
			"%s holds only addresses that its program can store (see docs/exports.md); left out: %d\n",
			e.Format.Name, file.Rejected,
		)
	}
	if n := file.NotBad; n > 0 {
		fmt.Fprintf(e.Remarks, "%s cannot say that an address is not bad, or no longer; left out: %d\n", e.Format.Name, n)
	}
	if full {
		fmt.Fprintln(e.Remarks,
			"the file is as large as its program takes, and more is waiting; run the same command again for the next part",
		)
	}
}

// written describes the rows of the file: "278 bad addresses written".
func (e *Run) written() string {
	rows := 0
	for _, n := range e.counts {
		rows += n
	}
	what, one := "address", ""
	if e.Changes {
		what = "change"
	}
	var parts []string
	add := func(n int, state string) {
		if n > 0 {
			parts, one = append(parts, text.Thousands(int64(n))+" "+state), state+" "
		}
	}
	bad := e.counts[bounce.StateBad]
	if e.Options.ByDefault {
		one = "bad "
		add(bad, "bad")
		add(rows-bad, "no longer bad")
	} else {
		for _, state := range []bounce.State{bounce.StateBad, bounce.StateSuspect, bounce.StateFailing, bounce.StateOK} {
			add(e.counts[state], string(state))
		}
	}
	switch {
	case len(parts) > 1 || e.Changes && rows > 0:
		return fmt.Sprintf("%s written: %s", text.Amount(rows, what), strings.Join(parts, ", "))
	case e.Changes:
		return "0 changes written"
	}
	return text.Amount(rows, one+what) + " written"
}
