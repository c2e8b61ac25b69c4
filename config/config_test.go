package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
	got, err := config.Load(write(t, "log: {level: warn}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Log.Level != "debug" || got.Database != "/tmp/other.db" {
		t.Errorf("level %q, database %q; want debug and /tmp/other.db", got.Log.Level, got.Database)
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
		"no zone":          {"sources: [{path: x, timezone: Mars/Base}]\n", []string{"sources[0].timezone:", "Europe/Berlin"}},
		"misspelt policy":  {"policy: {fialures: 3, categories: {mailbox-full: {windw: 9}}}\n", []string{`"policy.fialures"`, `"policy.failures"`, `"policy.categories.mailbox-full.windw"`, `"policy.categories.mailbox-full.window"`}},
		"no category":      {"policy: {categories: {full: {failures: 3}}}\n", []string{"policy.categories.full:", "mailbox-full"}},
		"no such policy":   {"policy: {days: 90, bad_days: -1}\n", []string{"policy.window:", "policy.bad_days: -1"}},
		"not YAML":         {"a: [\n", []string{"config.yaml"}},
		"wrong type":       {"max_line: many\n", []string{"max_line"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, c.text))
			if err == nil {
				t.Fatalf("Load(%q) gives no error", c.text)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Load(%q): %v; want it to name %s", c.text, err, want)
				}
			}
		})
	}
}
