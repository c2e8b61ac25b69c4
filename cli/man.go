package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

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
		root.DisableAutoGenTag = true // the same pages for the same program
		header := &doc.GenManHeader{Title: "BOUNCETAIL", Section: "8", Source: "bouncetail", Manual: "Bouncetail"}
		if folder == "" {
			if err := doc.GenMan(root, header, a.stdout); err != nil {
				return err
			}
			_, err := io.WriteString(a.stdout, manual.Sections)
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("manual pages: %w", err)
		}
		if err := doc.GenManTree(root, header, folder); err != nil {
			return err
		}
		page, err := os.OpenFile(filepath.Join(folder, "bouncetail.8"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("manual pages: %w", err)
		}
		_, err = page.WriteString(manual.Sections)
		if err := errors.Join(err, page.Close()); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, "bouncetail.yaml.5"), []byte(manual.Settings(Example)), 0o644)
	}
	return c
}
