// Package config reads the settings. It is the only package that knows viper;
// the others get plain values.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// DefaultPath is where the settings are looked for unless --config names a
// file. It need not exist.
const DefaultPath = "/etc/bouncetail/config.yaml"

// Config is every setting. config.example.yaml shows each with its default.
type Config struct {
	// Database is the SQLite file.
	Database string `mapstructure:"database"`
	// Sources are the logs to follow; empty takes the first that the machine
	// has of Usual.
	Sources []Source `mapstructure:"sources"`
	// Start is where a first start begins: "beginning" or "end".
	Start string `mapstructure:"start"`
	// MaxLine is the length in bytes over which a line is left out.
	MaxLine int `mapstructure:"max_line"`
	// Rules is the folder with rules of the admin's own, *.yaml. It need not
	// exist.
	Rules string `mapstructure:"rules"`
	// QueueLifetime is how long a message is remembered whose end is never
	// logged.
	QueueLifetime time.Duration `mapstructure:"queue_lifetime"`
	Log           Log           `mapstructure:"log"`
}

// Source is a log to follow.
type Source struct {
	// Path is a file or a glob. What rotation makes of it is found by itself.
	Path string `mapstructure:"path"`
	// MTA is "postfix", "exim", "sendmail", "opensmtpd", or "auto".
	MTA string `mapstructure:"mta"`
	// Timezone is an IANA name, or "local", for stamps without a zone.
	Timezone string `mapstructure:"timezone"`
}

// Log says how the program itself logs.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level string `mapstructure:"level"`
	// Format is "text" or "json".
	Format string `mapstructure:"format"`
}

// MTAs are what Source.MTA may be.
var MTAs = []string{"auto", "postfix", "exim", "sendmail", "opensmtpd"}

// LogLevels are what Log.Level may be.
var LogLevels = []string{"debug", "info", "warn", "error"}

// LogFormats are what Log.Format may be.
var LogFormats = []string{"text", "json"}

// Usual are the logs that mail servers write by default on Debian, Red Hat and
// their kin.
var Usual = []string{"/var/log/mail.log", "/var/log/maillog", "/var/log/exim4/mainlog", "/var/log/exim/main.log"}

// Default returns the settings where none are given.
func Default() Config {
	return Config{
		Database:      "/var/lib/bouncetail/bouncetail.db",
		Sources:       []Source{},
		Start:         "beginning",
		MaxLine:       1 << 20,
		Rules:         "/etc/bouncetail/rules.d",
		QueueLifetime: 120 * time.Hour,
		Log:           Log{Level: "info", Format: "text"},
	}
}

// Load reads a file, or DefaultPath where path is empty, and the environment
// (BOUNCETAIL_DATABASE, BOUNCETAIL_LOG_LEVEL, …) over it. All problems are
// reported together, each with its key.
func Load(path string) (Config, error) {
	c := Default()
	v := viper.New()
	v.SetConfigType("yaml")
	v.SetEnvPrefix("BOUNCETAIL")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	// The environment is only asked for keys that have a default.
	var defaults map[string]any
	if err := mapstructure.Decode(c, &defaults); err != nil {
		return c, err
	}
	for key, value := range defaults {
		if nested, ok := value.(Log); ok {
			v.SetDefault("log.level", nested.Level)
			v.SetDefault("log.format", nested.Format)
			continue
		}
		v.SetDefault(key, value)
	}
	file := path
	if file == "" {
		file = DefaultPath
	}
	f, err := os.Open(file)
	switch {
	case errors.Is(err, os.ErrNotExist) && path == "":
		// The defaults do.
	case err != nil:
		return c, fmt.Errorf("settings: %w", err)
	default:
		defer f.Close()
		if err := v.ReadConfig(f); err != nil {
			return c, fmt.Errorf("settings in %s: %w", file, err)
		}
	}
	var problems []error
	for _, unknown := range unknownKeys(v.AllSettings()) {
		problems = append(problems, errors.New(unknown))
	}
	decode := v.UnmarshalExact // which refuses what unknownKeys may have missed
	if len(problems) > 0 {
		decode = v.Unmarshal // to go on to the other problems
	}
	if err := decode(&c); err != nil {
		problems = append(problems, err)
	}
	// Also where a value could not be read: it is the default then.
	if err := c.check(); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return c, fmt.Errorf("settings in %s:\n%s", file, indent(err))
	}
	return c, nil
}

// indent shows joined errors one below the other.
func indent(err error) string {
	return "  " + strings.ReplaceAll(err.Error(), "\n", "\n  ")
}

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
		s := &c.Sources[i]
		key := fmt.Sprintf("sources[%d]", i)
		if s.Path == "" {
			bad(key+".path", "names no file")
		}
		if s.MTA == "" {
			s.MTA = "auto"
		}
		if !slices.Contains(MTAs, s.MTA) {
			bad(key+".mta", "%q is none of %s", s.MTA, strings.Join(MTAs, ", "))
		}
		if _, err := s.Zone(); err != nil {
			bad(key+".timezone", "%v", err)
		}
	}
	if c.Start != "beginning" && c.Start != "end" {
		bad("start", "%q is neither beginning nor end", c.Start)
	}
	if c.MaxLine < 4096 {
		bad("max_line", "%d is less than 4096 bytes, which real lines have", c.MaxLine)
	}
	if c.QueueLifetime < time.Hour {
		bad("queue_lifetime", "%v is less than an hour; messages stay in a queue for days", c.QueueLifetime)
	}
	if !slices.Contains(LogLevels, c.Log.Level) {
		bad("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	if !slices.Contains(LogFormats, c.Log.Format) {
		bad("log.format", "%q is neither text nor json", c.Log.Format)
	}
	return errors.Join(errs...)
}

// Zone returns the location that Timezone names.
func (s Source) Zone() (*time.Location, error) {
	if s.Timezone == "" || s.Timezone == "local" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; write one such as Europe/Berlin, or local", s.Timezone)
	}
	return zone, nil
}

// unknownKeys names the keys that no setting has, each with the nearest that
// is one.
func unknownKeys(settings map[string]any) []string {
	var unknown []string
	walk("", settings, reflect.TypeFor[Config](), func(key, nearest string) {
		unknown = append(unknown, fmt.Sprintf("unknown key %q; did you mean %q?", key, nearest))
	})
	slices.Sort(unknown)
	return unknown
}

func walk(prefix string, settings map[string]any, t reflect.Type, report func(key, nearest string)) {
	known := make(map[string]reflect.Type)
	for f := range t.Fields() {
		known[f.Tag.Get("mapstructure")] = f.Type
	}
	for key, value := range settings {
		field, ok := known[key]
		if !ok {
			nearest, best := "", 1<<30
			for name := range known {
				if d := distance(key, name); d < best || d == best && name < nearest {
					nearest, best = name, d
				}
			}
			report(prefix+key, prefix+nearest)
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			if field.Kind() == reflect.Struct {
				walk(prefix+key+".", value, field, report)
			}
		case []any:
			for i, item := range value {
				if m, ok := item.(map[string]any); ok && field.Kind() == reflect.Slice && field.Elem().Kind() == reflect.Struct {
					walk(fmt.Sprintf("%s%s[%d].", prefix, key, i), m, field.Elem(), report)
				}
			}
		}
	}
}

// distance is how many letters have to be put in, taken out or exchanged to
// make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
