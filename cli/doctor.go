package cli

import (
	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/doctor"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) doctor() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find what keeps bouncetail from seeing failures",
		Long: "Doctor checks what an admin would check by hand: the logs and whether the daemon\n" +
			"may read them, their rotation, the settings of the mail server, the journal, the\n" +
			"rules, the database, and what was found so far. It changes nothing. Each line is\n" +
			"ok, warn or fail, and says what to do. The exit code is 1 if a check fails, or if\n" +
			"something cannot be looked at. Run by root it looks with the rights of the\n" +
			"daemon's user.",
		Example: "  sudo bouncetail doctor\n  bouncetail doctor --json | jq 'select(.status != \"ok\")'",
		Args:    cobra.NoArgs,
	}
	a.jsonFlag(c, "one JSON object a line")
	c.Flags().StringVar(&root, "root", "", "look at the machine whose / is `FOLDER`, such as a mounted disk")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		results := doctor.Run(cmd.Context(), doctor.Options{Root: root, ConfigPath: a.configPath, Database: a.dbPath})
		var err error
		if a.asJSON {
			err = table.PrintObjects(a.stdout, results)
		} else {
			err = doctor.Print(a.screen(), results)
		}
		if err != nil {
			return err
		}
		return doctor.Failed(results)
	}
	return c
}
