// Package config reads the settings. It is the only package that knows viper;
// the others get plain values.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/openfile"
)

// DefaultPath is where the settings are looked for unless --config names a
// file. It need not exist.
const DefaultPath = "/etc/bouncetail/config.yaml"

// Config is every setting. config.example.yaml shows each with its default.
type Config struct {
	// Database is the SQLite file.
	Database string `mapstructure:"database"`
	// Sources are the logs to follow; see Resolve.
	Sources []Source `mapstructure:"sources"`
	// Start is where a first start begins: "beginning" or "end".
	Start string `mapstructure:"start"`
	// MaxLine is the length in bytes over which a line is left out.
	MaxLine int `mapstructure:"max_line"`
	// JournalUIDs are users whose journal entries are trusted, in addition to root
	// and the system users that run a mail server's programs.
	JournalUIDs []int `mapstructure:"journal_uids"`
	// Rules is the folder with rules of the admin's own, *.yaml. It need not
	// exist.
	Rules string `mapstructure:"rules"`
	// QueueLifetime is how long a message is remembered whose end is never
	// logged.
	QueueLifetime time.Duration `mapstructure:"queue_lifetime"`
	// Policy says when addresses become bad, and for how long.
	Policy Policy `mapstructure:"policy"`
	// Crowds says when refused addresses are taken for an outage.
	Crowds Crowds `mapstructure:"crowds"`
	// Incidents says when there is an incident.
	Incidents Incidents `mapstructure:"incidents"`
	// Retention is for how many days records are kept; 0 is for ever.
	Retention Retention `mapstructure:"retention"`
	// Privacy says how addresses are stored.
	Privacy Privacy `mapstructure:"privacy"`
	Log     Log     `mapstructure:"log"`
	// Publish is what mail servers are given to look up in.
	Publish Publish `mapstructure:"publish"`
	// Webhooks receive the changes of recipients.
	Webhooks []Webhook `mapstructure:"webhooks"`
	// Report is the regular report.
	Report Report `mapstructure:"report"`
	// Web is the web interface.
	Web Web `mapstructure:"web"`
	// Metrics says what else is exposed for Prometheus.
	Metrics Metrics `mapstructure:"metrics"`
	// Fleet is what this host shares with others.
	Fleet Fleet `mapstructure:"fleet"`
}

// Metrics says what else is exposed for Prometheus.
type Metrics struct {
	// Compat are other exporters whose names are exposed too; see Exporters.
	Compat []string `mapstructure:"compat"`
}

// Exporters are the values of Metrics.Compat.
var Exporters = []string{"postfix_exporter"}

// Incidents says when there is an incident.
type Incidents struct {
	// Sensitivity is "low", "normal" or "high".
	Sensitivity string `mapstructure:"sensitivity"`
	// Addresses is how many addresses an incident has at least that does not ring.
	Addresses int `mapstructure:"addresses"`
	// Gap is a pause that ends an incident that does not ring.
	Gap time.Duration `mapstructure:"gap"`
	// Channels receive notices of incidents that ring.
	Channels []Channel `mapstructure:"channels"`
}

// Channel is where notices go.
type Channel struct {
	// Name identifies it in the database.
	Name string `mapstructure:"name"`
	// Kind is one of ChannelKinds.
	Kind string `mapstructure:"kind"`
	// To are the addresses of the kind mail.
	To []string `mapstructure:"to"`
	// Command is the program of the kind command, with its arguments.
	Command []string `mapstructure:"command"`
	// URL is for the kinds that send by HTTP.
	URL string `mapstructure:"url"`
	// Secret signs the body of the kind json; SecretFile holds it instead.
	Secret     Secret `mapstructure:"secret"`
	SecretFile string `mapstructure:"secret_file"`
	// Token is for Authorization; TokenFile holds it instead.
	Token     Secret `mapstructure:"token"`
	TokenFile string `mapstructure:"token_file"`
	// Kinds are those of the incidents; none is all.
	Kinds []string `mapstructure:"kinds"`
	// Again is how often an open incident is reported again; 0 is the default, a day.
	Again time.Duration `mapstructure:"again"`
}

// ChannelKinds are the kinds of channels.
var ChannelKinds = []string{"mail", "command", "json", "alertmanager", "ntfy", "gotify", "slack"}

// IncidentKinds are the values of Channel.Kinds.
var IncidentKinds = []string{
	"provider-refuses", "blocklist", "own-network", "own-server", "unreachable", "inactivity", "bad-surge", "bad-list",
	"unclassified-surge", "log-stalled", "log-gap", "drift",
}

// Sensitivities are the values of Incidents.Sensitivity.
var Sensitivities = []string{"low", "normal", "high"}

// Retention is for how many days each kind of record is kept; 0 is for ever.
type Retention struct {
	// Bounces are failures that no state follows from any more.
	Bounces int `mapstructure:"bounces"`
	// Recipients are addresses without a failure for so long, with all that is
	// kept of them.
	Recipients int `mapstructure:"recipients"`
	// Successes are the hashes of lines by which deliveries, and lines that were not
	// parsed, are counted once.
	Successes int `mapstructure:"successes"`
	// DailyCounts are the counts by day and domain.
	DailyCounts int `mapstructure:"daily_counts"`
	// Positions are those in logs that have ended.
	Positions int `mapstructure:"positions"`
	// Gaps are the stretches of log that were lost.
	Gaps int `mapstructure:"gaps"`
	// UnparsedLines are examples of delivery lines that were not parsed.
	UnparsedLines int `mapstructure:"unparsed_lines"`
	// Incidents are those that are over.
	Incidents int `mapstructure:"incidents"`
}

// Privacy says how addresses are stored.
type Privacy struct {
	// HashAddresses stores keyed hashes in the place of local parts.
	HashAddresses bool `mapstructure:"hash_addresses"`
	// KeyFile holds the key.
	KeyFile string `mapstructure:"key_file"`
}

// Policy is a threshold for all categories, and those that go before it.
type Policy struct {
	Threshold `mapstructure:",squash"`
	// Categories are thresholds by category; what one of them leaves out is as
	// in the general one.
	Categories map[string]Threshold `mapstructure:"categories"`
}

// Crowds says from when on addresses that accepted mail, and are refused together,
// become suspect and not bad.
type Crowds struct {
	// Addresses is the least number of addresses; 0 switches it off.
	Addresses int `mapstructure:"addresses"`
	// Domains is the least number of domains of a provider, a relay, or that are
	// not found in the DNS.
	Domains int `mapstructure:"domains"`
	// Share is the least percentage of the attempts in that time.
	Share int `mapstructure:"share"`
	// Usual is how many times the usual share of the domain it is at least.
	Usual int `mapstructure:"usual"`
}

// Threshold is the policy for one category.
type Threshold struct {
	// Failures is how many failures make an address bad; 0 is never.
	Failures int `mapstructure:"failures"`
	// Days is how far the first and the last of them have to be apart.
	Days int `mapstructure:"days"`
	// Window is how many days back they are counted.
	Window int `mapstructure:"window"`
	// BadDays is how long an address stays bad that was made so by counting;
	// 0 is for ever.
	BadDays int `mapstructure:"bad_days"`
	// SuppressDays is the same for an address that one failure proved bad.
	SuppressDays int `mapstructure:"suppress_days"`
}

// Categories are the keys of Policy.Categories.
var Categories = []string{
	"blocked", "dmarc", "invalid-address", "mailbox", "mailbox-full", "rate-limit", "recipient-error",
	"rejection", "sender-reputation", "unclassified",
}

// Webhook is a program that receives the changes of recipients by HTTP.
type Webhook struct {
	// Name identifies its cursor in the database; another name is another hook.
	Name string `mapstructure:"name"`
	URL  string `mapstructure:"url"`
	// Kind is one of WebhookKinds.
	Kind string `mapstructure:"kind"`
	// Secret signs the body; SecretFile holds it instead.
	Secret     Secret `mapstructure:"secret"`
	SecretFile string `mapstructure:"secret_file"`
	// Username and Password are for basic authentication; PasswordFile holds
	// the password instead.
	Username     string `mapstructure:"username"`
	Password     Secret `mapstructure:"password"`
	PasswordFile string `mapstructure:"password_file"`
	// Token is sent as "Authorization: Bearer …", or in the header TokenHeader;
	// TokenFile holds it instead.
	Token       Secret `mapstructure:"token"`
	TokenFile   string `mapstructure:"token_file"`
	TokenHeader string `mapstructure:"token_header"`
	// KeyFile holds the key that signs requests of the kinds sendgrid (PEM) and
	// mailgun.
	KeyFile string `mapstructure:"key_file"`
	// States are those of the recipients to report.
	States []string `mapstructure:"states"`
	// Start is where a new hook begins: "now" or "beginning".
	Start string `mapstructure:"start"`
	// Batch is how many recipients one request holds at most.
	Batch int `mapstructure:"batch"`
	// Timeout is how long one request may take.
	Timeout time.Duration `mapstructure:"timeout"`
	// Tries is after how many failures the recipients of a request become dead
	// letters.
	Tries int `mapstructure:"tries"`
}

// Secret is a text that is never shown.
type Secret string

// String hides the secret from what prints settings.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides it likewise.
func (s Secret) GoString() string { return s.String() }

// Source is a log to follow.
type Source struct {
	// Path is a file or a glob. What rotation makes of it is found by itself.
	Path string `mapstructure:"path"`
	// MTA is one of MTAs.
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
var MTAs = append([]string{"auto"}, bounce.MTAs...)

// LogLevels are what Log.Level may be.
var LogLevels = []string{"debug", "info", "warn", "error"}

// LogFormats are what Log.Format may be.
var LogFormats = []string{"text", "json"}

// Default returns the settings where none are given.
func Default() Config {
	return Config{
		Database:      "/var/lib/bouncetail/bouncetail.db",
		Sources:       []Source{},
		Start:         "beginning",
		MaxLine:       1 << 20,
		JournalUIDs:   []int{},
		Rules:         "/etc/bouncetail/rules.d",
		QueueLifetime: 120 * time.Hour,
		Policy: Policy{
			Threshold: Threshold{Failures: 10, Days: 21, Window: 60, BadDays: 30},
			Categories: map[string]Threshold{
				"blocked":      {Failures: 0, Days: 21, Window: 60, BadDays: 30},
				"mailbox-full": {Failures: 6, Days: 21, Window: 90, BadDays: 60},
			},
		},
		Crowds:    Crowds{Addresses: 5, Domains: 3, Share: 10, Usual: 3},
		Incidents: Incidents{Sensitivity: "normal", Addresses: 10, Gap: 6 * time.Hour, Channels: []Channel{}},
		Log:       Log{Level: "info", Format: "text"},
		Publish: Publish{
			From:   "local",
			Maps:   slices.Clone(MapNames),
			Action: "reject",
			Text:   "5.1.1 This address bounces: {reason} since {since}",
			Every:  5 * time.Minute,
		},
		Webhooks: []Webhook{},
		Report:   Report{Mail: []string{}, Sendmail: "/usr/sbin/sendmail"},
		Fleet:    Fleet{Replies: true, MaxLag: 30 * 24 * time.Hour, Decisions: true},
		Web:      Web{Hosts: []string{"localhost", "127.0.0.1", "[::1]"}},
		Metrics:  Metrics{Compat: []string{}},
	}
}

// Error is a problem of the settings, or of a file that they name. Starting again
// does not help: somebody has to correct them.
type Error struct{ Err error }

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the problem.
func (e *Error) Unwrap() error { return e.Err }

// Load reads a file, or DefaultPath where path is empty, and the environment
// (BOUNCETAIL_DATABASE, BOUNCETAIL_LOG_LEVEL, …) over it. All problems are
// reported together, each with its key, as an *Error.
func Load(path string) (Config, error) {
	c, err := load(path)
	if err != nil {
		return c, &Error{err}
	}
	return c, nil
}

func load(path string) (Config, error) {
	c := Default()
	v := viper.New()
	v.SetConfigType("yaml")
	v.SetEnvPrefix("BOUNCETAIL")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	// The environment is only asked for keys that have a default.
	setDefaults(v, "", reflect.ValueOf(c))
	file := path
	if file == "" {
		file = DefaultPath
	}
	content, err := readFile(file, path != "")
	if err != nil {
		return c, err
	}
	if err := checkSyntax(content); err != nil {
		return c, fmt.Errorf("settings in %s:\n%s", file, indent(err.Error()))
	}
	if err := v.ReadConfig(bytes.NewReader(content)); err != nil {
		return c, fmt.Errorf("settings in %s: %w", file, err)
	}
	problems := c.decode(v)
	if len(problems) == 0 {
		return c, nil
	}
	return c, describe(problems, file, content)
}

// readFile reads the settings file. It need not exist unless it was named.
func readFile(file string, named bool) ([]byte, error) {
	content, err := openfile.Read(file, maxFile)
	switch other, is := errors.AsType[*openfile.NotRegular](err); {
	case errors.Is(err, os.ErrNotExist) && !named:
		return nil, nil // the defaults apply
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("the settings file %s does not exist; check the spelling of --config", file)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("the settings file %s cannot be read by this user; use sudo bouncetail …", file)
	case is:
		return nil, fmt.Errorf("the settings file %w; name a file with --config", other)
	case err != nil:
		return nil, fmt.Errorf("settings: %w", err)
	}
	return content, nil
}

// decode reads the settings from viper and returns all problems, each with its key.
func (c *Config) decode(v *viper.Viper) (problems []string) {
	settings := v.AllSettings()
	problems = unknownKeys(settings)
	checkTypes("", settings, reflect.TypeFor[Config](), func(key, format string, args ...any) {
		problems = append(problems, key+": "+fmt.Sprintf(format, args...))
	})
	slices.Sort(problems)
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: c, WeaklyTypedInput: true, ErrorUnused: len(problems) == 0, // unknownKeys may have missed one
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			days, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToWeakSliceHookFunc(","),
		),
	})
	if err == nil {
		err = decoder.Decode(settings)
	}
	if err != nil {
		return append(problems, err.Error())
	}
	c.Policy.inherit(v.IsSet)
	c.Fleet.useEnvironment()
	// Also if a value is wrong: the default stands in for it.
	if err := c.check(); err != nil {
		problems = append(problems, strings.Split(err.Error(), "\n")...)
	}
	return append(problems, unknownVariables(os.Environ(), v.AllKeys())...)
}

// inherit fills in what the thresholds of categories leave out.
func (p *Policy) inherit(isSet func(key string) bool) {
	for category, t := range p.Categories {
		for _, field := range []struct {
			key     string
			own     *int
			general int
		}{
			{"failures", &t.Failures, p.Failures},
			{"days", &t.Days, p.Days},
			{"window", &t.Window, p.Window},
			{"bad_days", &t.BadDays, p.BadDays},
			{"suppress_days", &t.SuppressDays, p.SuppressDays},
		} {
			if !isSet("policy.categories." + category + "." + field.key) {
				*field.own = field.general
			}
		}
		p.Categories[category] = t
	}
}

// indent indents each line.
func indent(lines string) string {
	return "  " + strings.ReplaceAll(lines, "\n", "\n  ")
}

// maxFile is the largest settings file, in bytes. The program does not fill the memory
// with a device or a log that was named by mistake.
const maxFile = 16 << 20
