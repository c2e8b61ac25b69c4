// Package manual holds the parts of the manual pages that are not made from the
// commands.
package manual

import "strings"

// Settings is the manual page of the settings, which an example documents.
func Settings(example string) string {
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
` + Sections + `.SH SEE ALSO
.BR bouncetail (8),
.BR bouncetail\-check\-config (8)
`
}

// Sections are the sections of the manual page that are not about one command.
const Sections = `.SH EXIT STATUS
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
