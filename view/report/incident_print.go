package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// PrintIncident shows an incident as a person reads it.
func PrintIncident(out *table.Screen, zone table.Zone, i *query.Incident) error {
	var b strings.Builder
	with := ""
	if i.With != "" {
		with = ", " + i.With
	}
	end := "to " + zone.Short(i.Until)
	if i.Ongoing {
		end = "and going on, last " + zone.Short(i.Until)
	}
	fmt.Fprintln(&b, out.Prose(fmt.Sprintf("%s / %s%s: %s of %s in %s", i.Category, i.Reason, text.Printable(with), text.Amount(i.Failures, "failure"), text.Amount(i.Addresses, "address"), text.Amount(i.Domains, "domain"))))
	fmt.Fprintf(&b, "  from %s %s (%s)\n", zone.Short(i.Since), end, zone.Name())
	if i.Reply != "" {
		fmt.Fprintln(&b, out.Hang("  such as: ", strings.TrimSpace(text.Printable(i.Reply))))
	}
	fmt.Fprintf(&b, "%s\n\n", out.Hang("  what to do: ", i.Advice))
	_, err := io.WriteString(out.Out, b.String())
	return err
}
