// Package doctor examines a machine: what keeps bouncetail from seeing failures,
// and what to do about it. It returns results; the command prints them.
package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
)

// checks are run in this order. A new check is a line here and a method that adds
// its results.
var checks = []struct {
	name string
	look func(*examiner, context.Context)
}{
	{"settings", (*examiner).checkSettings},
	{"user", (*examiner).checkUser},
	{"logs", (*examiner).checkLogs},
	{"journal", (*examiner).checkJournal},
	{"rotation", (*examiner).checkRotation},
	{"mail server", (*examiner).checkMailServers},
	{"time zone", (*examiner).checkTimeZone},
	{"rules", (*examiner).checkRules},
	{"database", (*examiner).checkDatabase},
	{"daemon", (*examiner).checkDaemon},
	{"maps", (*examiner).checkMaps},
	{"webhooks", (*examiner).checkWebhooks},
	{"found", (*examiner).checkFound},
}

// The statuses of a result.
const (
	OK   = "ok"
	Warn = "warn"
	Fail = "fail"
)

// CheckResult is what one check found.
type CheckResult struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warn, fail
	Says   string `json:"says"`
	Do     string `json:"do,omitempty"` // what to do about it, a command if there is one
}

// Options say which machine is examined, and with which settings.
type Options struct {
	Root       string // "" is this machine; else a directory that stands for its /
	ConfigPath string // "" is the default
	Database   string // "" is that of the settings
}

// Run runs all checks. It changes nothing.
func Run(ctx context.Context, o Options) []CheckResult {
	d := &examiner{root: o.Root}
	path := o.ConfigPath
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
	if o.Database != "" {
		d.settings.Database = o.Database
	}
	d.sources = d.settings.Resolve(daemon.ThisMachine(d.root))
	for _, check := range checks {
		d.check = check.name
		check.look(d, ctx)
	}
	return d.results
}

// examiner examines a machine.
type examiner struct {
	root     string
	settings config.Config
	problem  error // of the settings; settings are the defaults then
	sources  config.Sources
	as       *account
	results  []CheckResult
	check    string // the one that runs
}

func (d *examiner) say(status, do, format string, args ...any) {
	d.results = append(d.results, CheckResult{d.check, status, fmt.Sprintf(format, args...), do})
}

// cannotLook reports that this user may not read a file, so that the check cannot
// say whether all is well.
func (d *examiner) cannotLook(path string) {
	d.say(Fail, "sudo bouncetail doctor", "cannot be looked at: %s may not read %s", d.as.name, path)
}

// at returns the place of a path of the machine.
func (d *examiner) at(path string) string {
	if d.root == "" {
		return path
	}
	return filepath.Join(d.root, path)
}

// shown returns the path on the machine.
func (d *examiner) shown(path string) string {
	if rest, ok := strings.CutPrefix(path, d.root); ok && d.root != "" {
		return rest
	}
	return path
}

func (d *examiner) checkSettings(context.Context) {
	if d.problem != nil {
		d.say(Fail, "correct these, then: bouncetail check-config", "%v", strings.ReplaceAll(d.problem.Error(), "\n", " "))
		return
	}
	d.say(OK, "", "good")
}
