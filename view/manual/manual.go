// Package manual makes the manual pages: from the commands, from the example of the
// settings, and from the sections that it holds.
package manual

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

// Print prints the page of a command.
func Print(c *cobra.Command, out io.Writer) error {
	if err := doc.GenMan(c, header(c), out); err != nil {
		return err
	}
	_, err := io.WriteString(out, sections)
	return err
}

// Write writes a page for each command below root, section 8, and one for the settings,
// section 5, into a folder.
func Write(root *cobra.Command, example, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("manual pages: %w", err)
	}
	if err := doc.GenManTree(root, header(root), folder); err != nil {
		return err
	}
	page, err := os.OpenFile(filepath.Join(folder, root.Name()+".8"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("manual pages: %w", err)
	}
	_, err = page.WriteString(sections)
	if err := errors.Join(err, page.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, root.Name()+".yaml.5"), []byte(settingsPage(example)), 0o644)
}

// header returns the header of the pages. They are the same for the same program.
func header(root *cobra.Command) *doc.GenManHeader {
	root.DisableAutoGenTag = true
	return &doc.GenManHeader{Title: "BOUNCETAIL", Section: "8", Source: "bouncetail", Manual: "Bouncetail"}
}

// settingsPage is the manual page of the settings, which an example documents.
func settingsPage(example string) string {
	verbatim := strings.NewReplacer(`\`, `\e`, "\n.", "\n\\&.", "\n'", "\n\\&'", "-", `\-`).Replace("\n" + example)
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
` + sections + `.SH SEE ALSO
.BR bouncetail (8),
.BR bouncetail\-check\-config (8)
`
}

// sections are the sections of the manual page that are not about one command.
const sections = `.SH EXIT STATUS
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
.I /var/lib/bouncetail/bouncetail.db.sock
The socket of the daemon, by which root and its own user send it commands.
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
