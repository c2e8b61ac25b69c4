package cli

import (
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) publish() *cobra.Command {
	var folder string
	var warn bool
	var asJSON bool
	c := &cobra.Command{
		Use:   "publish",
		Short: "Write maps for the mail server to refuse mail by",
		Long: "Publish writes the bad addresses into maps for Postfix and Exim. Each map is\n" +
			"written to a temporary file and renamed, so that the mail server never sees half\n" +
			"of one. The daemon does the same after changes if publish.directory is set.\n\n" +
			"Publish once before you configure the mail server: it defers all mail while a map\n" +
			"is missing. Try --warn first: Postfix then accepts the mail and logs a warning.\n" +
			"docs/mta.md describes the set-up step by step.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVarP(&folder, "output", "o", "", "write into `DIR` (default: the setting publish.directory)")
	c.Flags().BoolVar(&warn, "warn", false, "monitor mode, as the setting publish.action: warn")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		if folder != "" {
			if settings.Publish.Directory, err = filepath.Abs(folder); err != nil {
				return err
			}
		}
		if settings.Publish.Directory == "" {
			return usageError{errors.New("no folder to publish into; give -o DIR, or the setting publish.directory")}
		}
		if warn {
			settings.Publish.Action = "warn"
		}
		r, err := query.OpenReader(cmd.Context(), settings.Database)
		if err != nil {
			return err
		}
		defer r.Close()
		if hashed, err := r.Hashed(cmd.Context()); err != nil {
			return err
		} else if hashed {
			return errors.New("the database holds hashes, and a mail server looks up addresses; write lists of your own addresses with bouncetail export --addresses")
		}
		p := daemon.Publisher(settings.Publish, r, versionText(), nil, a.logger(settings.Log))
		result, err := p.Publish(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return table.Objects(a.stdout).Encode(map[string]any{"addresses": result.Addresses, "left_out": result.LeftOut, "changed": result.Changed, "files": append([]string{}, result.Files...)})
		}
		return result.Print(a.stdout, p.Dir)
	}
	jsonFlag(c, &asJSON)
	return c
}
