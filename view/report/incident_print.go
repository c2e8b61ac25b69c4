package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/table"
)

// PrintIncident shows an incident as a person reads it.
func PrintIncident(out *table.Screen, zone table.Zone, i *sqlite.Incident) error {
	var b strings.Builder
	with := ""
	if i.With != "" {
		with = ", " + i.With
	}
	end := "to " + zone.Short(i.Until)
	if i.Ongoing {
		end = "and going on, last " + zone.Short(i.Until)
	}
	fmt.Fprintf(&b, "%s / %s%s: %s of %s in %s\n", i.Category, i.Reason, text.Printable(with), text.Amount(i.Failures, "failure"), text.Amount(i.Addresses, "address"), text.Amount(i.Domains, "domain"))
	fmt.Fprintf(&b, "  from %s %s (%s)\n", zone.Short(i.Since), end, zone.Name())
	if i.Reply != "" {
		fmt.Fprintf(&b, "  such as: %s\n", strings.TrimSpace(text.Printable(i.Reply)))
	}
	fmt.Fprintf(&b, "  what to do: %s\n\n", text.Wrap(i.Advice, out.ProseWidth(), 14))
	_, err := io.WriteString(out.Out, b.String())
	return err
}
