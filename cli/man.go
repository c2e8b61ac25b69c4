package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) man(root *cobra.Command) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "man",
		Short: "Print the manual page, or write those of all commands into a folder",
		Args:  cobra.NoArgs,
	}
	c.Flags().StringVarP(&folder, "output", "o", "", "write a page for each command into `FOLDER`")
	c.RunE = func(*cobra.Command, []string) error {
		root.DisableAutoGenTag = true // the same pages for the same program
		header := &doc.GenManHeader{Title: "BOUNCETAIL", Section: "1", Source: "bouncetail", Manual: "Bouncetail"}
		if folder == "" {
			return doc.GenMan(root, header, a.stdout)
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("manual pages: %w", err)
		}
		return doc.GenManTree(root, header, folder)
	}
	return c
}
