package cli

import (
	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/view/manual"
)

// Example is config.example.yaml, which documents the settings. The program sets it.
var Example string

func (a *app) man(root *cobra.Command) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "man",
		Short: "Print the manual page, or write all pages into a folder",
		Args:  cobra.NoArgs,
	}
	c.Flags().StringVarP(&folder, "output", "o", "", "write a page for each command, section 8, and one for the settings, section 5, into `FOLDER`")
	c.RunE = func(*cobra.Command, []string) error {
		if folder == "" {
			return manual.Print(root, a.stdout)
		}
		return manual.Write(root, Example, folder)
	}
	return c
}
