package logparse

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// writer is the process that wrote an entry of systemd's journal. journald gets
// these fields from the kernel; a program cannot choose them. All are empty for
// lines that do not come from the journal.
//
// A reader that takes a line out of a journal entry must store the entry's writer
// in the header, also if the message itself is a line with a header.
type writer struct {
	UID  string `json:"_UID"`
	Comm string `json:"_COMM"` // name of the program; any process can set its own
	Exe  string `json:"_EXE"`  // path of the executable
}

// refusedShape is the shape under which entries of untrusted writers are counted.
// There is one for all of them, because the writer can choose everything else.
const refusedShape = "journal entry refused: not written by the mail server, see journal_uids in the settings"

// trusted reports whether w may log deliveries of an MTA. Any local user can
// write to the journal under any tag ("logger -t postfix/smtp"), so an entry
// counts only if it was written by root, by one of the users listed in uids, or
// by a system user that runs one of the MTA's own programs. A writer without
// fields is trusted.
//
// Login users are not trusted with the MTA's programs either: "postlog -t",
// "exim -C" and "sendmail -C" log what their caller wants. MTAs log deliveries
// as root or as their own system user.
func (w *writer) trusted(g *grammar, uids []int) bool {
	return w.UID == "" && w.Comm == "" && w.Exe == "" || w.mayLog(g, uids)
}

// mayLog is trusted for a writer with fields. Few lines have one, so that trusted is
// compiled into its caller.
func (w *writer) mayLog(g *grammar, uids []int) bool {
	if w.UID != "" {
		uid, err := strconv.Atoi(w.UID)
		switch {
		case err != nil || uid < 0:
			return false
		case uid == 0 || slices.Contains(uids, uid):
			return true
		case uid > lastSystemUID:
			return false
		}
	}
	if w.Exe != "" {
		exe := strings.TrimSuffix(w.Exe, " (deleted)") // replaced by an upgrade
		return path.Clean(exe) == exe && oneof.HasPrefix(exe, systemDirs...) && g.isProgram(path.Base(exe))
	}
	return g.isProgram(w.Comm)
}

// lastSystemUID is SYS_UID_MAX of login.defs: the user IDs above it belong to
// people, containers and transient services.
const lastSystemUID = 999

// systemDirs hold programs that only root can install.
var systemDirs = []string{"/usr/", "/opt/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/nix/store/", "/gnu/store/"}

// The names of the executables that log deliveries and what belongs to them, as files
// and as the kernel reports them (at most 15 bytes):
//
//	Postfix   master(8) starts them in daemon_directory: /usr/lib/postfix/sbin (Debian), /usr/libexec/postfix
//	          (Red Hat), /usr/lib/postfix/bin (SUSE, Arch), /opt/zimbra/common/libexec. postlog(1), postdrop(1) and
//	          sendmail(1) are missing on purpose: users run them.
//	Exim      /usr/sbin/exim4 (Debian), /usr/sbin/exim, /usr/exim/bin/exim-4.98-2 (make install)
//	Sendmail  /usr/libexec/sendmail/sendmail, /usr/lib/sm.bin/sendmail (Debian), /usr/sbin/sendmail.sendmail (Red Hat)
//	OpenSMTPD /usr/sbin/smtpd, /usr/bin/smtpd (Arch)
var (
	postfixPrograms = []string{
		"anvil", "bounce", "cleanup", "discard", "error", "flush", "lmtp", "local", "master", "nqmgr", "oqmgr", "pickup", "pipe",
		"postlogd", "postscreen", "qmgr", "qmqpd", "showq", "smtp", "smtpd", "spawn", "tlsproxy", "trivial-rewrite", "verify", "virtual",
	}
	eximPrograms     = []string{"exim", "exim4"} // and exim-VERSION
	sendmailPrograms = []string{
		"sendmail", "sendmail-mta", "sendmail-msp", "sendmail-client", "sendmail.sendmail", "sendmail.sendma", "sm-mta", "sm-msp-queue",
	}
	opensmtpdPrograms = []string{"smtpd", "opensmtpd"}
)

func (g *grammar) isProgram(name string) bool {
	if version, found := strings.CutPrefix(name, "exim-"); found && g.mta == bounce.Exim {
		return strings.Trim(version, "0123456789.-_RC") == ""
	}
	return slices.Contains(g.programs, name)
}

// text describes a writer to the admin.
func (w *writer) text() string {
	text := "user " + w.UID
	if program := w.Exe; program != "" {
		return text + ", " + program
	}
	return text + ", " + w.Comm
}
