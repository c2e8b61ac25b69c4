package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

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
			_, err := io.WriteString(a.stdout, manSections)
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
		_, err = page.WriteString(manSections)
		if err := errors.Join(err, page.Close()); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, "bouncetail.yaml.5"), []byte(settingsPage()), 0o644)
	}
	return c
}

// Example is config.example.yaml, which documents the settings. The program sets it.
var Example string

// settingsPage is the manual page of the settings.
func settingsPage() string {
	verbatim := strings.NewReplacer(`\`, `\e`, "\n.", "\n\\&.", "\n'", "\n\\&'", "-", `\-`).Replace("\n" + Example)
	return `.TH BOUNCETAIL.YAML 5 "" bouncetail Bouncetail
.SH NAME
bouncetail.yaml \- settings of bouncetail
.SH SYNOPSIS
.I /etc/bouncetail/config.yaml
.SH DESCRIPTION
The settings are a YAML file. All keys are optional; unknown keys are errors.
\fBbouncetail check\-config\fP checks the file, and \fBsystemctl reload bouncetail\fP applies it.
.PP
These are all keys, with their defaults:
.PP
.nf` + verbatim + `
.fi
` + manSections + `.SH SEE ALSO
.BR bouncetail (8),
.BR bouncetail\-check\-config (8)
`
}

// manSections are the sections of the manual page that are not about one command.
const manSections = `.SH EXIT STATUS
.TP
.B 0
The command is done.
.TP
.B 1
It failed. \fBcheck\fP: an address is bad. \fBstatus\fP: there is a problem to fix on your side.
.TP
.B 2
It was called wrongly. \fBstatus\fP: the daemon does not read the logs.
.TP
.B 3
\fBcheck\fP and \fBstatus\fP only, whose 1 and 2 are answers: there is no answer, because the
database is missing or cannot be read, the settings are broken, or the command was called wrongly.
.TP
.B 78
The settings or the rules are broken. systemd does not start the daemon again.
.TP
.B 130
The command was interrupted.
.SH FILES
.TP
.I /etc/bouncetail/config.yaml
The settings. \fBbouncetail check-config\fP checks them.
.TP
.I /etc/bouncetail/rules.d/*.yaml
Rules of your own. \fBbouncetail rules check\fP checks them.
.TP
.I /var/lib/bouncetail/bouncetail.db
The database, in SQLite. \fBbouncetail sql\fP asks it.
.TP
.I /usr/share/doc/bouncetail/
The documentation.
.SH ENVIRONMENT
.TP
.B BOUNCETAIL_*
A setting each, before the file: BOUNCETAIL_LOG_LEVEL is log.level. A name that is no setting is an error.
.TP
.B TZ
The time zone of the times that are shown, unless \fB--utc\fP is given.
.TP
.B NO_COLOR
Set to anything, no colours are used.
.TP
.B COLUMNS
The width of a table that is not printed on a terminal.
`
