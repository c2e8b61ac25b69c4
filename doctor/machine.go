package doctor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
)

func (d *examiner) checkJournal(ctx context.Context) {
	if !slices.ContainsFunc(d.sources.List, func(s config.Source) bool { return s.Path == config.Journal }) {
		d.say(OK, "", "not followed, and not needed where there is a log")
		return
	}
	if d.root != "" {
		d.say(OK, "", "followed; it cannot be asked in another root")
		return
	}
	cmd := exec.CommandContext(ctx, "journalctl", "--quiet", "--lines=1", "--output=cat", "SYSLOG_FACILITY=2")
	if !d.as.only {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: d.as.uid, Gid: d.as.gid, Groups: d.as.groups}}
	}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		d.say(Fail, "name a log file in the settings, under sources", "it is to be followed, but there is no journalctl")
	case err != nil && !isPermission(said.String()):
		d.say(Fail, "journalctl --verify; systemctl status systemd-journald", "journalctl fails: %v: %s", err, strings.TrimSpace(said.String()))
		return
	case d.as.stranger() && (err != nil || isPermission(said.String())):
		d.cannotLook("the journal")
	case err != nil || isPermission(said.String()):
		d.say(Fail, "usermod -a -G systemd-journal "+daemonUser+" && systemctl restart bouncetail", "%s may not read it: %s", d.as.name, strings.TrimSpace(said.String()))
	case len(out) == 0:
		d.say(Warn, "send a mail, and look again; or name a log file in the settings", "it may be read, but holds nothing of a mail server")
	default:
		d.say(OK, "", "it may be read by %s, and holds lines of a mail server", d.as.name)
	}
	if _, err := os.Stat("/var/log/journal"); err != nil {
		d.say(Warn, "mkdir -p /var/log/journal && systemctl restart systemd-journald", "it is kept in memory alone: what comes while the daemon is stopped is lost at a reboot")
	}
}

// isPermission reports whether journalctl complains that the user may not read
// the journal.
func isPermission(said string) bool {
	said = strings.ToLower(said)
	return strings.Contains(said, "not seeing messages") || strings.Contains(said, "permission") || strings.Contains(said, "not permitted")
}

func (d *examiner) checkTimeZone(context.Context) {
	zone := "this machine's, " + time.Local.String()
	// TZ goes before /etc/localtime.
	if link, err := os.Readlink(d.at("/etc/localtime")); err == nil && os.Getenv("TZ") == "" {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			zone = "this machine's, " + name
		}
	}
	if problem := config.LocalZoneProblem(); problem != "" {
		d.say(Warn, "set TZ, or timezone of each source in the settings", "%s", problem)
		return
	}
	ahead := false
	for _, f := range d.files() {
		if !f.live || !f.readable {
			continue
		}
		head, tail, _, err := daemon.Ends(f.path)
		info, statErr := os.Stat(f.path)
		if err != nil || statErr != nil {
			continue
		}
		// A line cannot be younger than the file that holds it.
		if s := survey(head, tail, f.source, d.settings.JournalUIDs); s.last.Sub(info.ModTime()) > 10*time.Minute && !strings.Contains(s.stamp, "and zone (R") {
			ahead = true
			d.say(Warn, "set timezone of this source in the settings to the zone that the log is written in",
				"the last stamp in %s is %v after the file was written: it is not of the zone %s", d.shown(f.path), s.last.Sub(info.ModTime()).Round(time.Minute), zone)
		}
		if f.source.Timezone != "" && f.source.Timezone != "local" {
			zone = f.source.Timezone + ", by the settings"
		}
	}
	if !ahead {
		d.say(OK, "", "stamps without a zone are read as %s", zone)
	}
}

func (d *examiner) checkRules(context.Context) {
	if d.problem != nil {
		d.say(Warn, "mend the settings first", "not looked at")
		return
	}
	c, err := classify.New(d.settings.Rules)
	if err != nil {
		d.say(Fail, "mend the rule, then: bouncetail rules check", "%v", err)
		return
	}
	own := 0
	for _, r := range c.Rules() {
		if r.Own {
			own++
		}
	}
	d.say(OK, "", "%d, of them %d yours in %s", len(c.Rules()), own, d.shown(d.settings.Rules))
}
