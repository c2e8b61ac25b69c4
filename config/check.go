package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// check reports the values that cannot be.
func (c *Crowds) check(bad report) {
	if c.Addresses != 0 && c.Addresses < 2 {
		bad("crowds.addresses", "%d is not a crowd; write at least 2, or 0 to switch crowds off", c.Addresses)
	}
	if c.Domains < 2 {
		bad("crowds.domains", "%d is less than 2 domains", c.Domains)
	}
	if c.Share < 1 || c.Share > 100 {
		bad("crowds.share", "%d is not a percentage from 1 to 100", c.Share)
	}
	if c.Usual < 0 {
		bad("crowds.usual", "%d is negative; write 0 to compare with no usual share", c.Usual)
	}
}

// check reports what is wrong with a threshold.
func (t *Threshold) check(key string, bad func(key, format string, args ...any)) {
	for _, field := range []struct {
		key   string
		value int
	}{{"failures", t.Failures}, {"days", t.Days}, {"window", t.Window}, {"bad_days", t.BadDays}, {"suppress_days", t.SuppressDays}} {
		if field.value < 0 || field.value > maxDays {
			bad(key+"."+field.key, "%d is not between 0 and %d", field.value, maxDays)
		}
	}
	if t.Failures > 0 && t.Window <= t.Days {
		bad(key+".window", "%d is no longer than days, %d: so many days can never lie between failures", t.Window, t.Days)
	}
}

// maxMaxLine is far over what any mail server writes into a line.
const maxMaxLine = 64 << 20

// maxDays is a hundred years, over which a number is a mistake.
const maxDays = 36500

// check fills in what sources leave out, and reports everything that is wrong.
func (c *Config) check() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Database == "" {
		bad("database", "names no file")
	}
	for i := range c.Sources {
		c.checkSource(i, bad)
	}
	if c.Start != "beginning" && c.Start != "end" {
		bad("start", "%q is neither beginning nor end", c.Start)
	}
	if c.MaxLine < 4096 {
		bad("max_line", "%d is less than 4096 bytes, which real lines have", c.MaxLine)
	} else if c.MaxLine > maxMaxLine {
		bad("max_line", "%d is more than 64 MiB; a broken log would take that much memory", c.MaxLine)
	}
	for i, uid := range c.JournalUIDs {
		if uid < 0 {
			bad(fmt.Sprintf("journal_uids[%d]", i), "%d is not a numeric user ID", uid)
		}
	}
	if c.QueueLifetime < time.Hour {
		bad("queue_lifetime", "%v is less than an hour; messages stay in a queue for days", c.QueueLifetime)
	}
	c.checkPolicy(bad)
	c.Crowds.check(bad)
	c.Incidents.check(bad)
	c.Retention.check(bad)
	if c.Privacy.HashAddresses {
		c.checkHashing(bad)
	}
	if !slices.Contains(LogLevels, c.Log.Level) {
		bad("log.level", "%q is not one of debug, info, warn, error", c.Log.Level)
	}
	if !slices.Contains(LogFormats, c.Log.Format) {
		bad("log.format", "%q is neither text nor json", c.Log.Format)
	}
	c.Publish.check(&c.Fleet, bad)
	c.Report.check(bad)
	c.Web.check(bad)
	for _, exporter := range c.Metrics.Compat {
		if !slices.Contains(Exporters, exporter) {
			bad("metrics.compat", "%q is not one of %s", exporter, strings.Join(Exporters, ", "))
		}
	}
	c.Fleet.check(bad)
	names := make(map[string]bool)
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		w.check(fmt.Sprintf("webhooks[%d]", i), bad)
		if names[w.Name] {
			bad(fmt.Sprintf("webhooks[%d].name", i), "%q is the name of another one, too", w.Name)
		}
		names[w.Name] = true
	}
	return errors.Join(errs...)
}

// checkSource fills in what a source leaves out, and reports what is wrong with it.
func (c *Config) checkSource(i int, bad report) {
	s := &c.Sources[i]
	key := fmt.Sprintf("sources[%d]", i)
	if s.Path == "" {
		bad(key+".path", "names no file")
	}
	same := func(other Source) bool { return filepath.Clean(other.Path) == filepath.Clean(s.Path) }
	if first := slices.IndexFunc(c.Sources, same); first < i && s.Path != "" {
		bad(key+".path", "%s is the path of sources[%d], too; leave one of them out", s.Path, first)
	}
	if _, err := filepath.Match(s.Path, ""); err != nil {
		if _, missing := os.Lstat(s.Path); missing != nil { // else it is that file
			bad(key+".path", "%s is not a glob: a bracket is not closed; write \\[ for a bracket in a name", s.Path)
		}
	}
	if s.MTA == "" {
		s.MTA = "auto"
	}
	if !slices.Contains(MTAs, s.MTA) {
		bad(key+".mta", "%q is not one of %s", s.MTA, strings.Join(MTAs, ", "))
	}
	if _, err := s.Zone(); err != nil {
		bad(key+".timezone", "%v", err)
	}
}

func (c *Config) checkPolicy(bad report) {
	c.Policy.check("policy", bad)
	for _, category := range slices.Sorted(maps.Keys(c.Policy.Categories)) {
		key := "policy.categories." + category
		if !slices.Contains(Categories, category) {
			bad(key, "%q is not one of %s", category, strings.Join(Categories, ", "))
			continue
		}
		t := c.Policy.Categories[category]
		t.check(key, bad)
	}
}

// shortestRetention leaves time for logs to be read: what is older than the
// records reach is not taken in.
const shortestRetention = 7

func (r Retention) check(bad func(key, format string, args ...any)) {
	for _, s := range []struct {
		key  string
		days int
	}{
		{"bounces", r.Bounces},
		{"recipients", r.Recipients},
		{"successes", r.Successes},
		{"daily_counts", r.DailyCounts},
		{"positions", r.Positions},
		{"gaps", r.Gaps},
		{"unparsed_lines", r.UnparsedLines},
		{"incidents", r.Incidents},
	} {
		if s.days != 0 && s.days < shortestRetention {
			bad("retention."+s.key,
				"%d is less than %d days, in which logs have to be read; write 0 to keep for ever",
				s.days, shortestRetention,
			)
		}
		if s.days > maxDays {
			bad("retention."+s.key, "%d is more than %d days; write 0 to keep for ever", s.days, maxDays)
		}
	}
	if r.Recipients > 0 && (r.Bounces == 0 || r.Bounces > r.Recipients) {
		bad("retention.recipients",
			"needs retention.bounces of at most as many days, because failures are not kept longer than their address",
		)
	}
}

// checkHashing refuses what cannot work where only hashes are known.
func (c *Config) checkHashing(bad report) {
	if c.Privacy.KeyFile == "" {
		bad("privacy.key_file",
			"names no file, and privacy.hash_addresses needs a key; write the path of one, such as /etc/bouncetail/hash.key",
		)
	}
	if c.Publish.Directory != "" {
		bad("publish.directory",
			"a mail server looks up addresses, and with privacy.hash_addresses only hashes of them are known; leave one of the two out",
		)
	}
	for i := range c.Webhooks {
		if kind := c.Webhooks[i].Kind; kind != "" && kind != "json" {
			bad(fmt.Sprintf("webhooks[%d].kind", i),
				"%s reports addresses, and privacy.hash_addresses stores only their hashes; use kind json, or bouncetail export --addresses",
				kind,
			)
		}
	}
}
