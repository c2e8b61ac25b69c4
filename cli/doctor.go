package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/tailer"
)

// checks are what the doctor looks at, in this order. A new one is a line here
// and a function that reports what it found.
var checks = []struct {
	name string
	look func(*doctor, context.Context)
}{
	{"settings", (*doctor).checkSettings},
	{"user", (*doctor).checkUser},
	{"logs", (*doctor).checkLogs},
	{"journal", (*doctor).checkJournal},
	{"rotation", (*doctor).checkRotation},
	{"mail server", (*doctor).checkMailServers},
	{"time zone", (*doctor).checkTimeZone},
	{"rules", (*doctor).checkRules},
	{"database", (*doctor).checkDatabase},
	{"daemon", (*doctor).checkDaemon},
	{"maps", (*doctor).checkMaps},
	{"webhooks", (*doctor).checkWebhooks},
	{"found", (*doctor).checkFound},
}

// The states of a finding.
const (
	isOK   = "ok"
	isWarn = "warn"
	isFail = "fail"
)

// finding is a line of what the doctor says.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warn, fail
	Says   string `json:"says"`
	Do     string `json:"do,omitempty"` // what to do about it, a command where there is one
}

// doctor looks at a machine without changing it.
type doctor struct {
	root     string // "" is this machine; else a folder that stands for its /
	settings config.Config
	problem  error // of the settings; settings are the defaults then
	as       *account
	findings []finding
	check    string
}

func (d *doctor) say(status, do, format string, args ...any) {
	d.findings = append(d.findings, finding{d.check, status, fmt.Sprintf(format, args...), do})
}

// cannotLook reports that the user of the command may not read a file. That says
// nothing about the daemon, but nothing is known to be well either.
func (d *doctor) cannotLook(path string) {
	d.say(isFail, "sudo bouncetail doctor", "cannot be looked at: %s may not read %s", d.as.name, path)
}

// at returns where a path of the machine lies.
func (d *doctor) at(path string) string {
	if d.root == "" {
		return path
	}
	return filepath.Join(d.root, path)
}

// shown is the path as the machine has it.
func (d *doctor) shown(path string) string {
	if rest, ok := strings.CutPrefix(path, d.root); ok && d.root != "" {
		return rest
	}
	return path
}

func (a *app) doctor() *cobra.Command {
	var asJSON bool
	d := &doctor{}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps bouncetail from seeing failures, and say what to do",
		Long: "Doctor looks at what an admin would check by hand: the logs and whether the daemon\n" +
			"may read them, their rotation, the settings of the mail server, the journal, the\n" +
			"rules, the database, and what was found so far. It changes nothing. Each line is\n" +
			"ok, warn or fail, and says what to do; the exit code is 1 where one fails. Run by\n" +
			"root it looks through the eyes of the daemon's user.",
		Example: "  sudo bouncetail doctor\n  bouncetail doctor --json | jq 'select(.status != \"ok\")'",
		Args:    cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().StringVar(&d.root, "root", "", "look at the machine whose / is `FOLDER`, such as a mounted disk")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		a.examine(cmd.Context(), d)
		failed := 0
		for _, f := range d.findings {
			if f.Status == isFail {
				failed++
			}
		}
		var err error
		if asJSON {
			err = a.jsonLines(d.findings)
		} else {
			err = a.tellFindings(d.findings)
		}
		if err == nil && failed > 0 {
			err = fmt.Errorf("%d of %d checks failed; each says above what to do", failed, len(d.findings))
		}
		return err
	}
	return c
}

// examine runs all checks.
func (a *app) examine(ctx context.Context, d *doctor) {
	path := a.configPath
	if path == "" && d.root != "" {
		if _, err := os.Stat(d.at(config.DefaultPath)); err == nil {
			path = d.at(config.DefaultPath)
		}
	}
	d.settings, d.problem = config.Load(path)
	if d.problem != nil {
		d.settings = config.Default()
	}
	d.settings.Database = d.at(d.settings.Database)
	d.settings.Rules = d.at(d.settings.Rules)
	d.settings.Privacy.KeyFile = d.at(d.settings.Privacy.KeyFile)
	if a.dbPath != "" {
		d.settings.Database = a.dbPath
	}
	for _, check := range checks {
		d.check = check.name
		check.look(d, ctx)
	}
}

func (a *app) jsonLines(findings []finding) error {
	return printObjects(a, findings)
}

func (a *app) tellFindings(findings []finding) error {
	out := a.screen()
	var b strings.Builder
	for _, f := range findings {
		colour := map[string]string{isOK: green, isWarn: yellow, isFail: red}[f.Status]
		fmt.Fprintf(&b, "%s %-11s  %s\n", out.paint(colour, fmt.Sprintf("%-4s", f.Status)), f.Check, printable(f.Says))
		if f.Do != "" {
			fmt.Fprintf(&b, "     %-11s  %s\n", "", out.paint(bold, "→ "+printable(f.Do)))
		}
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func (d *doctor) checkSettings(context.Context) {
	if d.problem != nil {
		d.say(isFail, "mend these, then: bouncetail check-config", "%v", strings.ReplaceAll(d.problem.Error(), "\n", " "))
		return
	}
	d.say(isOK, "", "good")
}

// account is the user whose eyes the doctor looks through.
type account struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
	only   bool // the process is that user already
}

// stranger reports whether what the account may do tells nothing of the daemon.
func (as *account) stranger() bool { return as.only && as.name != daemonUser && os.Getuid() != 0 }

// daemonUser is the user that the unit names.
const daemonUser = "bouncetail"

// checkUser finds the daemon's user, with the groups that the unit gives it.
func (d *doctor) checkUser(context.Context) {
	a := &account{name: daemonUser}
	found := d.eachEntry("/etc/passwd", func(f []string) bool {
		return len(f) > 3 && f[0] == daemonUser && number(f[2], &a.uid) && number(f[3], &a.gid)
	})
	a.groups = []uint32{a.gid}
	var has []string
	d.eachEntry("/etc/group", func(f []string) bool {
		var gid uint32
		if len(f) > 3 && number(f[2], &gid) && (f[0] == "adm" || f[0] == "systemd-journal" || slices.Contains(strings.Split(f[3], ","), daemonUser)) {
			a.groups = append(a.groups, gid)
			has = append(has, f[0])
		}
		return false
	})
	if os.Getuid() != 0 {
		who := "this user"
		if u, err := user.Current(); err == nil {
			who = u.Username
		}
		d.as = &account{name: who, only: true}
		do := ""
		if who != daemonUser {
			do = "sudo bouncetail doctor tells what the daemon may"
		}
		d.say(isOK, do, "looking as %s, who is not root", who)
		return
	}
	if !found {
		d.as = &account{name: "root", only: true}
		d.say(isWarn, "systemd-sysusers, which the package and make install have prepared", "there is no user %s, whom the unit wants; looking as root", daemonUser)
		return
	}
	d.as = a
	d.say(isOK, "", "%s is there; with the unit's groups it is in %s", daemonUser, strings.Join(has, ", "))
}

func number(s string, n *uint32) bool {
	_, err := fmt.Sscanf(s, "%d", n)
	return err == nil
}

// eachEntry calls each for the lines of a file of fields with colons, until it
// returns true.
func (d *doctor) eachEntry(path string, each func(fields []string) bool) bool {
	text, err := os.ReadFile(d.at(path))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if each(strings.Split(strings.TrimSpace(line), ":")) {
			return true
		}
	}
	return false
}

// do calls look as the account. The kernel is asked, because modes alone do not
// tell what access lists and the folders above allow. It starts a goroutine,
// whose thread ends with it, and waits for it.
func (as *account) do(look func() error) error {
	if as.only {
		return look()
	}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is thrown away with its identity.
		runtime.LockOSThread()
		done <- func() error {
			if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(as.groups)), uintptr(unsafe.Pointer(&as.groups[0])), 0); e != 0 {
				return fmt.Errorf("take on the groups of %s: %w", as.name, e)
			}
			// These return what was, not an error; the last takes away root's rights to files.
			if err := errors.Join(unix.Setfsgid(int(as.gid)), unix.Setfsuid(int(as.uid))); err != nil {
				return fmt.Errorf("take on the identity of %s: %w", as.name, err)
			}
			return look()
		}()
	}()
	return <-done
}

// may asks whether the thread may do something with a file.
func may(path string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}

// logFile is a log that the daemon follows, or a file that rotation made of it.
type logFile struct {
	path     string
	live     bool
	source   config.Source
	readable bool
}

// sources returns the logs that the daemon would follow.
func (d *doctor) sources() []config.Source {
	var sources []config.Source
	for _, s := range d.settings.Sources {
		if s.Path != tailer.JournalPath {
			s.Path = d.at(s.Path)
		}
		sources = append(sources, s)
	}
	if len(sources) > 0 {
		return sources
	}
	for _, path := range config.Usual {
		if _, err := os.Stat(d.at(path)); err == nil {
			return []config.Source{{Path: d.at(path), MTA: "auto"}}
		}
	}
	if _, err := exec.LookPath("journalctl"); err == nil && d.root == "" {
		return []config.Source{{Path: tailer.JournalPath, MTA: "auto"}}
	}
	return nil
}

// files returns the live files of all sources.
func (d *doctor) files() []logFile {
	var files []logFile
	for _, s := range d.sources() {
		if s.Path == tailer.JournalPath || tailer.IsPipe(s.Path) {
			continue
		}
		live, rotated := tailer.Files(s.Path)
		for _, path := range rotated {
			files = append(files, logFile{path: path, source: s})
		}
		for _, path := range live {
			files = append(files, logFile{path: path, live: true, source: s})
		}
	}
	for i := range files {
		files[i].readable = d.canRead(files[i].path) == nil
	}
	return files
}

func (d *doctor) canRead(path string) error {
	return d.as.do(func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// mend is the command that lets the daemon read a file.
func (d *doctor) mend(path string) string {
	shown := d.shown(path)
	// A folder on the way that may not be entered comes first.
	for folder := filepath.Dir(path); len(folder) > len(d.root) && folder != "/"; folder = filepath.Dir(folder) {
		if d.as.do(func() error { return may(folder, unix.X_OK) }) != nil {
			return fmt.Sprintf("setfacl -m u:%s:x %s && setfacl -m u:%s:r %s", daemonUser, d.shown(folder), daemonUser, shown)
		}
	}
	return fmt.Sprintf("chgrp adm %s && chmod g+r %s, or: setfacl -m u:%s:r %s", shown, shown, daemonUser, shown)
}

func (d *doctor) checkLogs(context.Context) {
	sources := d.sources()
	if len(sources) == 0 {
		d.say(isFail, "apt-get install rsyslog, or: postconf -e maillog_file=/var/log/mail.log, or name the log in "+config.DefaultPath,
			"there is no mail log: looked for %s", strings.Join(config.Usual, ", "))
		return
	}
	files := d.files()
	followed := make(map[string]bool)
	for _, s := range sources {
		if s.Path == tailer.JournalPath {
			d.say(isOK, "", "the journal is followed, see below")
			continue
		}
		if tailer.IsPipe(s.Path) {
			d.say(isOK, "", "%s is a named pipe: what was read and not saved when the daemon is killed is lost", d.shown(s.Path))
			continue
		}
		live, barred := 0, 0
		for _, f := range files {
			if f.source != s {
				continue
			}
			followed[f.path] = true
			if f.live {
				live++
				d.checkLog(f)
			} else if !f.readable {
				if barred++; barred == 1 {
					d.say(isWarn, d.mend(f.path), "%s may not be read by %s; its failures are missing", d.shown(f.path), d.as.name)
				}
			}
		}
		if barred > 1 {
			d.say(isWarn, "the same for each, see ls -l "+filepath.Dir(d.shown(s.Path)), "%s more of %s may not be read", amount(barred-1, "rotated file"), d.shown(s.Path))
		}
		if live == 0 {
			d.say(isWarn, "correct the path in the settings, or start the mail server", "%s does not exist; the daemon waits for it", d.shown(s.Path))
		}
	}
	for _, path := range config.Usual {
		if info, err := os.Stat(d.at(path)); err == nil && info.Size() > 0 && !followed[d.at(path)] {
			d.say(isWarn, "name all logs in the settings, under sources", "%s is there too, and is not followed", path)
		}
	}
}

// checkLog looks at a log that the mail server writes at present.
func (d *doctor) checkLog(f logFile) {
	shown := d.shown(f.path)
	if !f.readable && d.as.stranger() {
		d.cannotLook(shown)
		return
	}
	if !f.readable {
		d.say(isFail, d.mend(f.path), "%s may not be read by %s", shown, d.as.name)
		return
	}
	head, tail, size, err := ends(f.path)
	if err != nil {
		d.say(isFail, "look at the disk", "%s: %v", shown, err)
		return
	}
	rotated := 0
	for _, other := range d.files() {
		if other.source == f.source && !other.live {
			rotated++
		}
	}
	if size == 0 {
		d.say(isWarn, "see that the mail server logs there: logger -p mail.info test", "%s is empty (%s beside it)", shown, amount(rotated, "rotated file"))
		return
	}
	seen := survey(head, tail, f.source)
	if seen.recognised == 0 {
		d.say(isWarn, "is it the log of the mail server? bouncetail classify LINE tells how a line is read", "%s may be read, but holds no line of a mail server", shown)
		return
	}
	d.say(isOK, "", "%s may be read by %s: %s, %s beside it; lines of %s, stamped %s",
		shown, d.as.name, size, amount(rotated, "rotated file"), strings.Join(seen.mtas, " and "), seen.stamp)
	if len(seen.unread) > 0 {
		d.say(isWarn, "send this line to the project, without what is private in it", "%s holds delivery lines that are not parsed: %s", shown, cut(seen.unread[0].Example, 120))
	}
}

// megabytes is a size for people.
type megabytes int64

func (m megabytes) String() string {
	if m < 1<<20 {
		return thousands(int64(m)) + " bytes"
	}
	return thousands(int64(m)>>20) + " MB"
}

// sampled is how much of either end of a log is looked at.
const sampled = 256 << 10

// ends returns the whole lines at the head and the tail of a file.
func ends(path string) (head, tail []byte, size megabytes, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, 0, err
	}
	head = make([]byte, min(sampled, info.Size()))
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, nil, 0, err
	}
	if info.Size() > sampled {
		tail = make([]byte, min(sampled, info.Size()-sampled))
		if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
			return nil, nil, 0, err
		}
		_, tail, _ = bytes.Cut(tail, []byte{'\n'})
	}
	head = head[:bytes.LastIndexByte(head, '\n')+1]
	return head, tail, megabytes(info.Size()), nil
}

// seen is what a sample of a log shows.
type seen struct {
	recognised int
	mtas       []string
	stamp      string
	last       time.Time // of the last failure or delivery
	unread     []bounce.Unparsed
}

func survey(head, tail []byte, source config.Source) seen {
	var s seen
	zone, err := source.Zone()
	if err != nil {
		zone = time.Local
	}
	o := logparse.Options{Zone: zone, Anchor: time.Now()}
	if source.MTA != "auto" {
		o.MTA = bounce.MTA(source.MTA)
	}
	p, err := logparse.New(o)
	if err != nil {
		return s
	}
	for _, sample := range [][]byte{head, tail} {
		p.Parse(string(sample), func(ev *bounce.Event) {
			if ev.Kind != bounce.EventAttempt {
				return
			}
			s.last = ev.At
			if !slices.Contains(s.mtas, string(ev.MTA)) {
				s.mtas = append(s.mtas, string(ev.MTA))
			}
		})
	}
	s.recognised = p.Counts().Recognised
	s.unread = p.TakeUnparsed()
	if len(s.mtas) == 0 {
		s.mtas = []string{"a mail server (no delivery among those looked at)"}
	}
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	s.stamp = stampForm(line)
	return s
}

// stampForm tells the form of the stamp that a line begins with.
func stampForm(line []byte) string {
	if len(line) < 20 {
		return "in a form of its own"
	}
	switch word, _, _ := bytes.Cut(line, []byte{' '}); {
	case len(word) > 19 && word[4] == '-' && word[10] == 'T':
		return "with year and zone (RFC 3339)"
	case len(word) == 10 && word[4] == '-' && bytes.ContainsAny(line[19:min(len(line), 26)], "+-"):
		return "with year and zone (Exim)"
	case len(word) == 10 && word[4] == '-':
		return "without a zone (Exim)"
	case len(word) == 3:
		return "without year and zone (RFC 3164)"
	case len(word) > 10 && word[10] == '.':
		return "in Unix seconds"
	}
	return "in a form of its own"
}

func (d *doctor) checkJournal(ctx context.Context) {
	if !slices.ContainsFunc(d.sources(), func(s config.Source) bool { return s.Path == tailer.JournalPath }) {
		d.say(isOK, "", "not followed, and not needed where there is a log")
		return
	}
	if d.root != "" {
		d.say(isOK, "", "followed; it cannot be asked in another root")
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
		d.say(isFail, "name a log file in the settings, under sources", "it is to be followed, but there is no journalctl")
	case err != nil && !isPermission(said.String()):
		d.say(isFail, "journalctl --verify; systemctl status systemd-journald", "journalctl fails: %v: %s", err, strings.TrimSpace(said.String()))
		return
	case d.as.stranger() && (err != nil || isPermission(said.String())):
		d.cannotLook("the journal")
	case err != nil || isPermission(said.String()):
		d.say(isFail, "usermod -a -G systemd-journal "+daemonUser+" && systemctl restart bouncetail", "%s may not read it: %s", d.as.name, strings.TrimSpace(said.String()))
	case len(out) == 0:
		d.say(isWarn, "send a mail, and look again; or name a log file in the settings", "it may be read, but holds nothing of a mail server")
	default:
		d.say(isOK, "", "it may be read by %s, and holds lines of a mail server", d.as.name)
	}
	if _, err := os.Stat("/var/log/journal"); err != nil {
		d.say(isWarn, "mkdir -p /var/log/journal && systemctl restart systemd-journald", "it is kept in memory alone: what comes while the daemon is stopped is lost at a reboot")
	}
}

// isPermission reports whether journalctl complains that the user may not read
// the journal.
func isPermission(said string) bool {
	said = strings.ToLower(said)
	return strings.Contains(said, "not seeing messages") || strings.Contains(said, "permission") || strings.Contains(said, "not permitted")
}

func (d *doctor) checkTimeZone(context.Context) {
	zone := "this machine's, " + time.Local.String()
	if link, err := os.Readlink(d.at("/etc/localtime")); err == nil {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			zone = "this machine's, " + name
		}
	}
	ahead := false
	for _, f := range d.files() {
		if !f.live || !f.readable {
			continue
		}
		head, tail, _, err := ends(f.path)
		info, statErr := os.Stat(f.path)
		if err != nil || statErr != nil {
			continue
		}
		// A line cannot be younger than the file that holds it.
		if s := survey(head, tail, f.source); s.last.Sub(info.ModTime()) > 10*time.Minute && !strings.Contains(s.stamp, "and zone (R") {
			ahead = true
			d.say(isWarn, "set timezone of this source in the settings to the zone that the log is written in",
				"the last stamp in %s is %v after the file was written: it is not of the zone %s", d.shown(f.path), s.last.Sub(info.ModTime()).Round(time.Minute), zone)
		}
		if f.source.Timezone != "" && f.source.Timezone != "local" {
			zone = f.source.Timezone + ", by the settings"
		}
	}
	if !ahead {
		d.say(isOK, "", "stamps without a zone are read as %s", zone)
	}
}

func (d *doctor) checkRules(context.Context) {
	if d.problem != nil {
		d.say(isWarn, "mend the settings first", "not looked at")
		return
	}
	c, err := classify.New(d.settings.Rules)
	if err != nil {
		d.say(isFail, "mend the rule, then: bouncetail rules check", "%v", err)
		return
	}
	own := 0
	for _, r := range c.Rules() {
		if r.Own {
			own++
		}
	}
	d.say(isOK, "", "%d, of them %d yours in %s", len(c.Rules()), own, d.shown(d.settings.Rules))
}

// little is the free space at which the doctor warns.
const little = 512 << 20

func (d *doctor) checkDatabase(ctx context.Context) {
	path := d.settings.Database
	shown := d.shown(path)
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		d.say(isFail, fmt.Sprintf("install -d -m 0751 -o %s -g %s %s", daemonUser, daemonUser, d.shown(folder)), "its folder %s does not exist", d.shown(folder))
		return
	}
	if !d.as.stranger() && d.as.do(func() error { return may(folder, unix.W_OK|unix.X_OK) }) != nil {
		d.say(isFail, fmt.Sprintf("chown %s:%s %s", daemonUser, daemonUser, d.shown(folder)), "%s may not write to its folder %s", d.as.name, d.shown(folder))
	}
	free := ""
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err == nil {
		left := megabytes(int64(fs.Bavail) * fs.Bsize)
		free = fmt.Sprintf("; %v are free", left)
		if left < little {
			d.say(isWarn, "make room; a full disk holds records up until there is some, and loses none", "%v are free in %s", left, d.shown(folder))
		}
	}
	var h *address.Hasher
	if err := d.as.do(func() (err error) { h, err = hasher(d.settings.Privacy); return err }); err != nil && d.as.stranger() {
		d.say(isFail, "sudo bouncetail doctor", "cannot be looked at: %v", err)
		return
	} else if err != nil {
		d.say(isFail, "", "%v", err)
		return
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		d.say(isOK, "systemctl enable --now bouncetail makes it", "%s is not there yet%s", shown, free)
		return
	}
	if d.cannotRead(path) {
		d.cannotLook(shown)
		return
	}
	r, err := sqlite.OpenReader(ctx, path)
	if err != nil {
		d.say(isFail, "", "%v", err)
		return
	}
	defer r.Close()
	if err := r.CheckKey(ctx, shown, h.ID()); err != nil {
		d.say(isFail, "", "%v", err)
		return
	}
	size := info.Size()
	if wal, err := os.Stat(path + "-wal"); err == nil {
		size += wal.Size()
	}
	var barred []string
	for _, end := range []string{"", "-wal", "-shm", ".lock"} {
		if err := d.as.do(func() error {
			f, err := os.OpenFile(path+end, os.O_RDWR, 0)
			if err == nil {
				err = f.Close()
			}
			return err
		}); errors.Is(err, os.ErrPermission) {
			barred = append(barred, d.shown(path+end))
		}
	}
	if len(barred) > 0 && !d.as.stranger() {
		d.say(isFail, fmt.Sprintf("chown %s:%s %s", daemonUser, daemonUser, strings.Join(barred, " ")), "%s may not write %s", d.as.name, strings.Join(barred, ", "))
		return
	}
	d.say(isOK, "", "%s holds %v, is readable by %s%s", shown, megabytes(size), map[bool]string{true: "everybody", false: "its owner and group alone"}[info.Mode()&0o004 != 0], free)
}

// checkDaemon asks the lock that the writer of a database holds.
func (d *doctor) checkDaemon(ctx context.Context) {
	if d.cannotRead(d.settings.Database + ".lock") {
		d.cannotLook(d.shown(d.settings.Database + ".lock"))
		return
	}
	f, err := os.Open(d.settings.Database + ".lock")
	if err != nil {
		d.say(isWarn, "systemctl enable --now bouncetail", "it has not run on this database")
		return
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		pid, _ := bufio.NewReader(f).ReadString('\n')
		d.say(isOK, "", "process %s writes the database", strings.TrimSpace(pid))
		if d.root == "" {
			d.checkTroubles(ctx)
		}
		return
	}
	d.say(isWarn, "systemctl enable --now bouncetail, then: systemctl status bouncetail", "nothing writes the database at present")
}

// cannotRead reports whether a file is there and this user may not read it.
func (d *doctor) cannotRead(path string) bool {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false
	}
	return errors.Is(may(path, unix.R_OK), os.ErrPermission)
}

// checkTroubles reports what the daemon cannot do at present. Systemd keeps its
// status.
func (d *doctor) checkTroubles(ctx context.Context) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "bouncetail", "--property=StatusText", "--value").Output()
	if err != nil {
		return // not started by systemd
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(out)), "; ") {
		if strings.HasPrefix(part, "cannot ") {
			d.say(isWarn, "journalctl -u bouncetail shows since when; it is retried", "it %s", part)
		}
	}
}

func (d *doctor) checkFound(ctx context.Context) {
	if d.cannotRead(d.settings.Database) {
		d.cannotLook(d.shown(d.settings.Database))
		return
	}
	r, err := sqlite.OpenReader(ctx, d.settings.Database)
	if err != nil {
		d.say(isOK, "", "nothing yet")
		return
	}
	defer r.Close()
	f, err := found(ctx, r)
	if err != nil {
		d.say(isFail, "", "%v", err)
		return
	}
	d.say(isOK, "bouncetail recipients --state bad", "%s", f.sentence())
	if len(f.own) > 0 {
		d.say(isWarn, "docs/categories.md says what to do about each reason; bouncetail incidents and bouncetail top reasons show more", "%s", f.ownSentence())
	}
	unread, err := r.Unparsed(ctx)
	if err == nil && len(unread) > 0 {
		d.say(isWarn, "send such a line to the project, without what is private in it", "%s of delivery lines %s not parsed, such as %s", amount(len(unread), "shape"), verb(len(unread), "is", "are"), cut(unread[0].Name, 120))
	}
	gaps, _ := r.Gaps(ctx) // an unread database has been reported above
	for _, g := range gaps {
		d.say(isWarn, "see rotation; SELECT * FROM gaps in the database says when", "%s log was destroyed before it could be read: %s", amount(g.N, "time"), g.Name)
	}
}
