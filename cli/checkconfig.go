package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/tailer"
)

func (a *app) checkConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config",
		Short: "Check the settings and the rules, and say what they come to",
		Long: "Check-config reads the settings and the rules as the daemon does, tells all that is\n" +
			"wrong with them at once, and changes nothing. What only may be wrong, such as a log\n" +
			"that does not exist yet, is a warning.",
		Example: "  bouncetail check-config && sudo systemctl reload bouncetail",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.settings()
			// The rules of the default folder, where the settings cannot say.
			if _, bad := classify.New(c.Rules); bad != nil {
				err = errors.Join(err, fmt.Errorf("rules:\n  %s", strings.ReplaceAll(bad.Error(), "\n", "\n  ")))
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, "database:", c.Database)
			if len(c.Sources) == 0 {
				fmt.Fprintln(a.stdout, "sources:  the first that exists of", strings.Join(config.Usual, ", "))
			}
			for _, s := range c.Sources {
				fmt.Fprintf(a.stdout, "source:   %s (%s)\n", printable(s.Path), s.MTA)
			}
			for _, w := range warnings(c) {
				fmt.Fprintln(a.stderr, "warning:", w)
			}
			if c.Privacy.HashAddresses {
				fmt.Fprintln(a.stdout, "privacy:  addresses are hashed, with the key in", c.Privacy.KeyFile)
			}
			if err := errors.Join(checkKey(cmd.Context(), c), a.checkOutputs(cmd.Context(), c)); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, "The settings are good.")
			return err
		},
	}
}

// warnings tells what may be wrong on this machine, and may come right.
func warnings(c config.Config) []string {
	var all []string
	warn := func(key, format string, args ...any) {
		all = append(all, key+": "+fmt.Sprintf(format, args...))
	}
	if folder := filepath.Dir(c.Database); !isFolder(folder) {
		warn("database", "the folder %s does not exist", folder)
	}
	for i, s := range c.Sources {
		if s.Path == tailer.JournalPath || tailer.IsPipe(s.Path) {
			continue
		}
		if live, _ := tailer.Files(s.Path); len(live) == 0 {
			warn(fmt.Sprintf("sources[%d].path", i), "%s does not exist; it is followed once it does", s.Path)
		}
	}
	if c.Rules != "" && c.Rules != config.Default().Rules && !isFolder(c.Rules) {
		warn("rules", "the folder %s does not exist", c.Rules)
	}
	return all
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
