package doctor

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rotation is an entry of logrotate (logrotate.conf(5)).
type rotation struct {
	file  string
	paths []string            // globs
	says  map[string][]string // directive: its arguments
}

// rotations reads /etc/logrotate.conf and what stands in /etc/logrotate.d.
// Directives outside of an entry hold for all entries behind them.
func (d *examiner) rotations() []rotation {
	general := make(map[string][]string)
	files, _ := filepath.Glob(d.at("/etc/logrotate.d/*"))
	var all []rotation
	for _, file := range append([]string{d.at("/etc/logrotate.conf")}, files...) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		all = append(all, parseRotations(d.shown(file), string(text), general)...)
	}
	return all
}

func parseRotations(file, text string, general map[string][]string) []rotation {
	var all []rotation
	var paths []string
	var entry *rotation
	script := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		word, _, _ := strings.Cut(line, " ")
		switch {
		case script:
			script = word != "endscript"
			continue
		case line == "" || line[0] == '#':
			continue
		case slices.Contains([]string{"postrotate", "prerotate", "firstaction", "lastaction", "preremove"}, word):
			script = true
		case entry == nil && (line[0] == '/' || line[0] == '"' || line[0] == '{'):
			before, rest, opens := strings.Cut(line, "{")
			for p := range strings.FieldsSeq(before) {
				paths = append(paths, strings.Trim(p, `"'`))
			}
			if opens {
				entry = &rotation{file, paths, maps.Clone(general)}
				line = rest
			}
		case entry == nil:
			note(general, line)
		}
		if entry != nil && !script {
			directive, closes := strings.CutSuffix(line, "}")
			note(entry.says, directive)
			if closes {
				all = append(all, *entry)
				entry, paths = nil, nil
			}
		}
	}
	return all
}

// note takes down a directive; its opposite takes it away.
func note(says map[string][]string, line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	if positive, ok := strings.CutPrefix(words[0], "no"); ok && positive != "" {
		delete(says, positive)
	}
	says[words[0]] = words[1:]
}

func (d *examiner) checkRotation(context.Context) {
	rotations := d.rotations()
	looked := false
	for _, f := range d.files() {
		if !f.live {
			continue
		}
		looked = true
		shown := d.shown(f.path)
		i := slices.IndexFunc(rotations, func(r rotation) bool {
			return slices.ContainsFunc(r.paths, func(glob string) bool { ok, err := filepath.Match(glob, shown); return ok && err == nil })
		})
		if i < 0 {
			d.say(Warn, "an entry for it in /etc/logrotate.d, so that it does not fill the disk", "%s is in no entry of logrotate", shown)
			continue
		}
		d.judgeRotation(shown, &rotations[i])
	}
	if !looked {
		d.say(OK, "", "no log file to be rotated")
	}
}

// judgeRotation says what the next rotation does to a log.
func (d *examiner) judgeRotation(shown string, r *rotation) {
	say := func(word string) bool { _, ok := r.says[word]; return ok }
	good := true
	warn := func(do, format string, args ...any) {
		good = false
		d.say(Warn, do+", in "+r.file, format, args...)
	}
	if say("copytruncate") {
		warn("create 0640 root adm instead of copytruncate", "%s is rotated by copytruncate, which destroys lines between its copy and its truncation", shown)
	}
	if args := r.says["create"]; len(args) > 0 && !say("copytruncate") {
		mode, err := strconv.ParseUint(args[0], 8, 32)
		group := ""
		if len(args) > 2 {
			group = args[2]
		}
		reads := err != nil || mode&0o004 != 0 || mode&0o040 != 0 && (group == "adm" || group == daemonUser || group == "systemd-journal" || group == "")
		if !reads {
			warn("create 0640 root adm", "%s is created again as %s, which %s may not read", shown, strings.Join(args, " "), daemonUser)
		}
	}
	if args := r.says["olddir"]; len(args) > 0 {
		warn("leave olddir out", "%s is moved to another folder, %s, where the rest of it is not looked for after a stop", shown, args[0])
	}
	if say("shred") {
		warn("leave shred out", "%s is shredded after its rotation", shown)
	}
	if args := r.says["compresscmd"]; len(args) > 0 && !slices.Contains(packers, filepath.Base(args[0])) {
		warn("compresscmd /bin/gzip", "%s is packed by %s, which bouncetail cannot read", shown, args[0])
	}
	kept := "0" // as logrotate has it where nothing is said
	if args := r.says["rotate"]; len(args) > 0 {
		kept = args[0]
	}
	if kept == "0" {
		warn("rotate 4", "%s is deleted when it is rotated; what comes while the daemon is stopped is lost then", shown)
	}
	if good {
		d.say(OK, "", "%s is rotated by %s, and %s old ones are kept", shown, r.file, strings.Replace(kept, "-1", "all", 1))
	}
}

// packers are the commands whose files tailer can read.
var packers = []string{"gzip", "pigz", "zstd", "xz", "pixz", "bzip2", "pbzip2", "lbzip2"}

func (d *examiner) checkMailServers(ctx context.Context) {
	before := len(d.results)
	d.checkPostfix(ctx)
	d.checkExim(ctx)
	d.checkSendmail()
	d.checkOpenSMTPD()
	if len(d.results) == before {
		d.say(OK, "", "no settings of a mail server on this machine")
	}
}

// packaged returns the version of the first of some packages that dpkg has
// installed, or "".
func (d *examiner) packaged(packages ...string) string {
	status, err := os.ReadFile(d.at("/var/lib/dpkg/status"))
	if err != nil {
		return ""
	}
	for _, name := range packages {
		_, entry, ok := strings.Cut("\n"+string(status), "\nPackage: "+name+"\n")
		if !ok {
			continue
		}
		entry, _, _ = strings.Cut(entry, "\n\n")
		if _, version, ok := strings.Cut(entry, "\nVersion: "); ok && strings.Contains("\n"+entry, "\nStatus: install ok installed") {
			version, _, _ = strings.Cut(version, "\n")
			return version
		}
	}
	return ""
}

// installed returns the version of a package, or else of a program, or "".
func (d *examiner) installed(ctx context.Context, packages []string, program ...string) string {
	if version := d.packaged(packages...); version != "" || d.root != "" {
		return version
	}
	for _, folder := range []string{"/usr/sbin", "/usr/bin"} {
		out, err := exec.CommandContext(ctx, filepath.Join(folder, program[0]), program[1:]...).Output()
		if err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// checkPostfix reads main.cf (postconf(5)): a parameter a line, the last of a
// name counts, a line that begins with a blank goes on with the one before.
func (d *examiner) checkPostfix(ctx context.Context) {
	const path = "/etc/postfix/main.cf"
	text, err := os.ReadFile(d.at(path))
	if err != nil {
		return
	}
	set := make(map[string]string)
	for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(string(text), "\n ", " "), "\n\t", " ")) {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			set[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	version := d.installed(ctx, []string{"postfix"}, "postconf", "-h", "mail_version")
	good := true
	warn := func(do, format string, args ...any) {
		good = false
		d.say(Warn, do, "Postfix: "+format, args...)
	}
	if file := set["maillog_file"]; file != "" && file != "/dev/stdout" && !strings.Contains(file, "$") && !d.follows(file) {
		warn("name it in the settings, under sources", "it logs to %s (maillog_file), which is not followed", file)
	}
	if set["soft_bounce"] == "yes" {
		warn("postconf -e soft_bounce=no && postfix reload", "soft_bounce keeps every failure in the queue, so no address ever becomes bad")
	}
	if facility := set["syslog_facility"]; facility != "" && facility != "mail" && !strings.Contains(facility, "$") {
		warn("see in /etc/rsyslog.conf which file that goes to, and name it in the settings, under sources", "it logs as %s (syslog_facility), which does not go to the usual mail log", facility)
	}
	if set["info_log_addr_form"] == "internal" {
		warn("postconf -e info_log_addr_form=external && postfix reload",
			"it logs addresses without quotes (info_log_addr_form): some lines cannot be parsed then, and a stranger's address may pass for another")
	}
	for _, name := range []string{"maximal_queue_lifetime", "bounce_queue_lifetime"} {
		good = !d.outlives("Postfix", name, set[name]) && good
	}
	if !good {
		return
	}
	do := ""
	if set["enable_long_queue_ids"] != "yes" {
		do = "optional, so that no queue id is used twice: postconf -e enable_long_queue_ids=yes && postfix reload"
	}
	d.say(OK, do, "%s logs what is needed", strings.TrimSpace("Postfix "+version))
}

// outlives warns of a setting by which a mail server keeps a message for longer
// than bouncetail remembers it.
func (d *examiner) outlives(mta, setting, value string) bool {
	lifetime, ok := queueTime(value)
	if !ok || lifetime <= d.settings.QueueLifetime {
		return false
	}
	d.say(Warn, fmt.Sprintf("queue_lifetime: %v in the settings", lifetime), "%s: %s is %s, longer than bouncetail remembers a message (%v)", mta, setting, value, d.settings.QueueLifetime)
	return true
}

// queueTime reads a time as mail servers write it, in days without a unit.
func queueTime(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	unit := 24 * time.Hour
	if i := strings.IndexByte("smhdw", s[len(s)-1]); i >= 0 {
		unit = []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}[i]
		s = s[:len(s)-1]
	}
	n, err := strconv.Atoi(s)
	return time.Duration(n) * unit, err == nil
}

// follows reports whether a file is among the sources.
func (d *examiner) follows(path string) bool {
	for _, s := range d.sources.List {
		if ok, err := filepath.Match(s.Path, d.at(path)); ok && err == nil {
			return true
		}
	}
	return false
}

// eximSetting reads a main option of Exim's configuration, also as the macro
// that Debian wraps it in.
var eximSetting = regexp.MustCompile(`(?m)^\s*(?:MAIN_)?(?i:(log_selector|log_file_path))\s*=\s*(.+)$`)

// eximRetry reads the cutoffs of Exim's retry rules, such as F,4d,6h.
var eximRetry = regexp.MustCompile(`(?m)^[^#\n]*\b[FGH],\s*(\d+[smhdw])\s*,`)

func (d *examiner) checkExim(ctx context.Context) {
	var files []string
	for _, glob := range []string{"/etc/exim4/exim4.conf", "/etc/exim4/exim4.conf.template", "/etc/exim4/exim4.conf.localmacros", "/etc/exim4/conf.d/main/*", "/etc/exim4/conf.d/retry/*", "/etc/exim/exim.conf", "/etc/exim.conf"} {
		more, _ := filepath.Glob(d.at(glob))
		files = append(files, more...)
	}
	if len(files) == 0 {
		return
	}
	good := true
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, m := range eximRetry.FindAllStringSubmatch(string(text), -1) {
			good = !d.outlives("Exim", "the cutoff of a retry rule in "+d.shown(file), m[1]) && good
		}
		for _, m := range eximSetting.FindAllStringSubmatch(string(text), -1) {
			value := strings.TrimSpace(m[2])
			switch strings.ToLower(m[1]) {
			case "log_selector":
				good = d.checkLogSelector(file, value) && good
			case "log_file_path":
				good = d.checkLogFilePath(value) && good
			}
		}
	}
	if good {
		version := d.installed(ctx, []string{"exim4-daemon-light", "exim4-daemon-heavy", "exim"}, "exim", "-bV")
		d.say(OK, "", "%s logs what is needed", strings.TrimSpace("Exim "+version))
	}
}

// checkLogSelector reports whether Exim's log_selector keeps what failures are read from.
func (d *examiner) checkLogSelector(file, value string) bool {
	selectors := strings.Fields(strings.NewReplacer("+", " +", "-", " -").Replace(value))
	if !slices.Contains(selectors, "-all") {
		return true
	}
	d.say(Warn, "leave -all out of log_selector in "+d.shown(file), "Exim: log_selector takes lines and fields away that failures are read from: %s", value)
	return false
}

// checkLogFilePath reports whether the main log that Exim's log_file_path names is
// followed. One that is not known, such as syslog or a path with a variable, passes.
func (d *examiner) checkLogFilePath(value string) bool {
	first, _, _ := strings.Cut(value, ":")
	main := strings.TrimSpace(strings.ReplaceAll(first, "%s", "main"))
	if !strings.HasPrefix(main, "/") || strings.Contains(main, "$") || d.follows(main) {
		return true
	}
	d.say(Warn, "name it in the settings, under sources", "Exim: it logs to %s (log_file_path), which is not followed", main)
	return false
}

// sendmailOption reads an option of sendmail.cf that is set.
var sendmailOption = regexp.MustCompile(`(?m)^O (LogLevel|Timeout\.queuereturn)=(\w+)`)

// checkSendmail reads sendmail.cf. What is logged from which level on stands in
// giveresponse of sendmail/deliver.c; 9 is the default.
func (d *examiner) checkSendmail() {
	text, err := os.ReadFile(d.at("/etc/mail/sendmail.cf"))
	if err != nil {
		return
	}
	good := true
	for _, m := range sendmailOption.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "LogLevel" {
			good = !d.outlives("Sendmail", m[1], m[2]) && good
		} else if level, err := strconv.Atoi(m[2]); err == nil && level < 9 {
			good = false
			d.say(Warn, "define(`confLOG_LEVEL', 9) in sendmail.mc, then make -C /etc/mail", "Sendmail: LogLevel is %d; failures are logged from 7 on, deliveries from 8, deferrals from 9", level)
		}
	}
	if good {
		d.say(OK, "", "%s logs what is needed", strings.TrimSpace("Sendmail "+d.packaged("sendmail-bin", "sendmail")))
	}
}

// openSMTPDTTL is how long OpenSMTPD tries (smtpd.conf(5)).
var openSMTPDTTL = regexp.MustCompile(`(?m)^\s*queue\s+ttl\s+(\w+)`)

// checkOpenSMTPD reads smtpd.conf. There is no setting for what is logged.
func (d *examiner) checkOpenSMTPD() {
	for _, path := range []string{"/etc/smtpd.conf", "/etc/mail/smtpd.conf", "/etc/opensmtpd/smtpd.conf"} {
		text, err := os.ReadFile(d.at(path))
		if err != nil {
			continue
		}
		if m := openSMTPDTTL.FindStringSubmatch(string(text)); m == nil || !d.outlives("OpenSMTPD", "queue ttl", m[1]) {
			d.say(OK, "", "%s logs what is needed; it has no setting for that", strings.TrimSpace("OpenSMTPD "+d.packaged("opensmtpd")))
		}
	}
}
