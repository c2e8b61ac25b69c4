package daemon

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/tailer"
)

// CheckSource checks the values of --timezone and --mta.
func CheckSource(s config.Source) error {
	if _, err := s.Zone(); err != nil {
		return fmt.Errorf("--timezone: %w", err)
	}
	if err := text.OneOf(s.MTA, config.MTAs); err != nil {
		return fmt.Errorf("--mta: %w", err)
	}
	return nil
}

// CommonSource returns how the logs of the settings are to be read, with the
// flags that were given over it.
func CommonSource(c config.Config, flags config.Source, given func(flag string) bool) (config.Source, error) {
	if len(c.Sources) == 0 {
		return flags, nil
	}
	common := config.Source{MTA: c.Sources[0].MTA, Timezone: c.Sources[0].Timezone}
	if given("mta") {
		common.MTA = flags.MTA
	}
	if given("timezone") {
		common.Timezone = flags.Timezone
	}
	for _, s := range c.Sources[1:] {
		if s.MTA != common.MTA && !given("mta") || s.Timezone != common.Timezone && !given("timezone") {
			return common, errors.New(
				"the logs of the settings are of several mail servers or time zones; name those of one, with --mta and --timezone",
			)
		}
	}
	return common, nil
}

// LogsOf returns the log files of the settings, or those of this machine, with
// what rotation made of them.
func LogsOf(c config.Config) ([]string, error) {
	var files []string
	for _, s := range c.Resolve(ThisMachine("")).List {
		if s.Path != config.Journal && !tailer.IsPipe(s.Path) {
			live, rotated := tailer.Files(s.Path)
			files = append(append(files, rotated...), live...)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf(
			"no mail log found (looked for %s); name it: bouncetail import FILE…, or take the journal: journalctl -o short-iso SYSLOG_FACILITY=2 | bouncetail import -",
			strings.Join(config.DefaultLogPaths, ", "))
	}
	return files, nil
}
