package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) hash() *cobra.Command {
	c := &cobra.Command{
		Use:   "hash ADDRESS…",
		Short: "Print the hashes under which addresses are stored",
		Long: "Hash prints for each address the hash that stands for it where the setting\n" +
			"privacy.hash_addresses is on, one a line and in the order in which they are given:\n" +
			"for queries of your own, and to compare with an export. The database is not asked.",
		Example: "  bouncetail hash jane@example.com",
	}
	from := fromFile(c)
	a.jsonFlag(c, "one JSON object a line, with the address too")
	c.RunE = func(_ *cobra.Command, args []string) error {
		on, err := a.givenAddresses(args, *from)
		if err != nil {
			return err
		}
		settings, err := a.settings()
		if err != nil {
			return err
		}
		all, err := daemon.Hashes(settings.Privacy, on)
		if err != nil {
			return err
		}
		if a.asJSON {
			return table.PrintObjects(a.stdout, all)
		}
		var lines strings.Builder
		for _, one := range all {
			fmt.Fprintln(&lines, one.Hash)
		}
		_, err = fmt.Fprint(a.stdout, lines.String())
		return err
	}
	return c
}
