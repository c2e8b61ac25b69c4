package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExampleIsExactlyTheDefaults(t *testing.T) {
	got, err := config.Load("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := config.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("Load(config.example.yaml):\n got %+v\nwant %+v", got, want)
	}
}

func TestExampleShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var look func(typ reflect.Type)
	look = func(typ reflect.Type) {
		for f := range typ.Fields() {
			if key := f.Tag.Get("mapstructure"); key != ",squash" && !strings.Contains(string(text), key+":") {
				t.Errorf("config.example.yaml does not show %s", key)
			}
			if f.Type.Kind() == reflect.Struct {
				look(f.Type)
			}
			if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
				look(f.Type.Elem())
			}
		}
	}
	look(reflect.TypeFor[config.Config]())
}

func TestEnvironmentGoesBeforeTheFile(t *testing.T) {
	t.Setenv("BOUNCETAIL_LOG_LEVEL", "debug")
	t.Setenv("BOUNCETAIL_DATABASE", "/tmp/other.db")
	t.Setenv("BOUNCETAIL_RETENTION_BOUNCES", "365")
	got, err := config.Load(write(t, "log: {level: warn}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Log.Level != "debug" || got.Database != "/tmp/other.db" || got.Retention.Bounces != 365 {
		t.Errorf("level %q, database %q, bounces for %d days; want debug, /tmp/other.db and 365", got.Log.Level, got.Database, got.Retention.Bounces)
	}
}

func TestThresholdsOfACategoryAreFilledIn(t *testing.T) {
	t.Setenv("BOUNCETAIL_POLICY_BAD_DAYS", "7")
	got, err := config.Load(write(t, "policy:\n  days: 5\n  categories:\n    mailbox-full: {failures: 3}\n    rejection: {failures: 8, suppress_days: 9}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Policy{
		Threshold: config.Threshold{Failures: 10, Days: 5, Window: 60, BadDays: 7},
		Categories: map[string]config.Threshold{
			"blocked":      {Failures: 0, Days: 21, Window: 60, BadDays: 30},
			"mailbox-full": {Failures: 3, Days: 21, Window: 90, BadDays: 60},
			"rejection":    {Failures: 8, Days: 5, Window: 60, BadDays: 7, SuppressDays: 9},
		},
	}
	if !reflect.DeepEqual(got.Policy, want) {
		t.Errorf("policy %+v, want %+v", got.Policy, want)
	}
}

func TestSourcesGetTheirDefaults(t *testing.T) {
	got, err := config.Load(write(t, "sources:\n  - path: /var/log/Mail.Log\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []config.Source{{Path: "/var/log/Mail.Log", MTA: "auto"}}; !reflect.DeepEqual(got.Sources, want) {
		t.Errorf("sources %+v, want %+v", got.Sources, want)
	}
}

func TestBadSettingsAreNamedAllAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"misspelt key":     {"databse: x\n", []string{`"databse"`, `"database"`}},
		"nested misspelt":  {"log: {levle: info}\n", []string{`"log.levle"`, `"log.level"`}},
		"misspelt source":  {"sources:\n  - pth: x\n", []string{`"sources[0].pth"`, `"sources[0].path"`}},
		"several problems": {"start: middle\nlog: {level: loud}\nsources: [{path: x, mta: qmail}]\n", []string{"start:", "log.level:", "sources[0].mta:"}},
		"a path twice":     {"sources: [{path: /var/log/a}, {path: /var/log/../log/a, mta: exim}]\n", []string{"sources[1].path: /var/log/../log/a is the path of sources[0], too"}},
		"two journals":     {"sources: [{path: journal}, {path: journal}]\n", []string{"sources[1].path: journal is the path of sources[0], too"}},
		"an open bracket":  {"sources: [{path: '/var/log/[x'}]\n", []string{"sources[0].path:", "a bracket is not closed"}},
		"no zone":          {"sources: [{path: x, timezone: Mars/Base}]\n", []string{"sources[0].timezone:", "Europe/Berlin"}},
		"publish":          {"publish: {directory: maps, maps: [hash], action: drop, text: Gone, every: 1ms}\n", []string{"publish.directory:", "publish.maps:", "publish.action:", "publish.text:", "publish.every:"}},
		"text":             {"publish: {text: \"5.1.1 {why}\"}\n", []string{"publish.text:", "{why}"}},
		"fleet":            {"fleet: {dsn: 'host=/run', dsn_file: /etc/dsn, instance: 'mx 1'}\n", []string{"fleet.dsn_file: there is a dsn, too", `fleet.instance: "mx 1" is no name`}},
		"misspelt hook":    {"webhooks: [{nme: x}]\n", []string{`"webhooks[0].nme"`, `"webhooks[0].name"`}},
		"web":              {"web: {users_file: users, tokens_file: tokens, user_header: Cookie, url: 'javascript:alert(1)'}\n", []string{"web.users_file:", "web.tokens_file:", "web.user_header:", "web.url:"}},
		"web address":      {"web: {user_header: 'a b', url: 'https://ada:x@mail.example.com/'}\n", []string{"web.user_header:", "web.url:"}},
		"hooks":            {"webhooks:\n  - {name: a, url: 'ftp://x', kind: xml, states: [gone]}\n  - {name: a, url: 'http://u:hunter2@x'}\n  - {name: l, url: 'http://x', kind: listmonk, states: [ok]}\n", []string{"webhooks[0].url:", "webhooks[0].kind:", "webhooks[0].states:", "webhooks[1].name:", "webhooks[1].url:", "webhooks[2].username:"}},
		"misspelt policy":  {"policy: {fialures: 3, categories: {mailbox-full: {windw: 9}}}\n", []string{`"policy.fialures"`, `"policy.failures"`, `"policy.categories.mailbox-full.windw"`, `"policy.categories.mailbox-full.window"`}},
		"no category":      {"policy: {categories: {full: {failures: 3}}}\n", []string{"policy.categories.full:", "mailbox-full"}},
		"no such policy":   {"policy: {days: 90, bad_days: -1}\n", []string{"policy.window:", "policy.bad_days: -1"}},
		"short retention":  {"retention: {bounces: 3, gaps: -1}\n", []string{"retention.bounces: 3 is less than 7 days", "retention.gaps: -1"}},
		"bounces too long": {"retention: {bounces: 60, recipients: 30}\n", []string{"retention.recipients: needs retention.bounces"}},
		"no bounces":       {"retention: {recipients: 30}\n", []string{"retention.recipients: needs retention.bounces"}},
		"misspelt days":    {"retention: {bounce: 30}\n", []string{`"retention.bounce"`, `"retention.bounces"`}},
		"not YAML":         {"a: [\n", []string{"config.yaml"}},
		"long retention":   {"retention: {bounces: 9223372036854775807, gaps: 36501}\n", []string{"retention.bounces: 9223372036854775807 is more than 36500 days; write 0", "retention.gaps: 36501"}},
		"octal":            {"max_line: 0100000\nsources: [{path: /x, timezone: +0200}]\n", []string{"line 1: 0100000 has a zero in front", "line 2: +0200"}},
		"two documents":    {"start: end\n---\nstart: beginning\n", []string{"line 2: settings behind a line"}},
		"wrong type":       {"max_line: many\n", []string{"max_line"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, c.text))
			if err == nil {
				t.Fatalf("Load(%q) gives no error", c.text)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Load(%q) tells a password: %v", c.text, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Load(%q): %v; want it to name %s", c.text, err, want)
				}
			}
		})
	}
}

func TestWebhooksGetTheirDefaults(t *testing.T) {
	got, err := config.Load(write(t, "webhooks:\n  - {name: crm, url: 'https://crm.example/hook', secret: hunter2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Webhook{{Name: "crm", URL: "https://crm.example/hook", Kind: "json", Secret: "hunter2", States: []string{"bad", "ok"}, Start: "now", Batch: 100, Timeout: 10 * time.Second, Tries: 30}}
	if !reflect.DeepEqual(got.Webhooks, want) {
		t.Errorf("webhooks %+v, want %+v", got.Webhooks, want)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(format, got); strings.Contains(shown, "hunter2") {
			t.Errorf("%s shows the secret: %s", format, shown)
		}
	}
}

func TestFormerWordsNameTheNewOnes(t *testing.T) {
	for text, want := range map[string]string{
		"retention: {unread_lines: 90}\n":                                                 `the key "retention.unread_lines" is now called "retention.unparsed_lines"`,
		"webhooks:\n  - {name: crm, url: 'https://crm.example/', states: [bad, retry]}\n": `the state "retry" is now called "failing"`,
	} {
		if _, err := config.Load(write(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %s", text, err, want)
		}
	}
	t.Setenv("BOUNCETAIL_RETENTION_UNREAD_LINES", "90")
	want := "BOUNCETAIL_RETENTION_UNREAD_LINES is now called BOUNCETAIL_RETENTION_UNPARSED_LINES"
	if _, err := config.Load(write(t, "")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the variable gives %v, want %s", err, want)
	}
}

// Who runs a command with another address of the fleet than that of the host, as the owner
// of its tables does, need not know by which setting the host has its own.
func TestTheEnvironmentHasTheAddressOfTheFleet(t *testing.T) {
	for name, c := range map[string]struct{ file, variable, dsn, dsnFile string }{
		"a DSN for that of a file":   {"dsn_file: /etc/fleet.dsn", "BOUNCETAIL_FLEET_DSN", "other", ""},
		"a file for a DSN":           {"dsn: here", "BOUNCETAIL_FLEET_DSN_FILE", "", "other"},
		"a file for another file":    {"dsn_file: /etc/fleet.dsn", "BOUNCETAIL_FLEET_DSN_FILE", "", "other"},
		"a DSN for another DSN":      {"dsn: here", "BOUNCETAIL_FLEET_DSN", "other", ""},
		"nothing in the environment": {"dsn: here", "BOUNCETAIL_LOG_LEVEL", "here", ""},
	} {
		t.Run(name, func(t *testing.T) {
			value := "other"
			if c.variable == "BOUNCETAIL_LOG_LEVEL" {
				value = "debug"
			}
			t.Setenv(c.variable, value)
			got, err := config.Load(write(t, "fleet:\n  "+c.file+"\n"))
			if err != nil || string(got.Fleet.DSN) != c.dsn || got.Fleet.DSNFile != c.dsnFile {
				t.Errorf("dsn %q, dsn_file %q, %v; want %q, %q", got.Fleet.DSN, got.Fleet.DSNFile, err, c.dsn, c.dsnFile)
			}
		})
	}
}
