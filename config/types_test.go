package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/config"
)

// libraryWords are words of Go and of the libraries that read settings.
var libraryWords = regexp.MustCompile(`strconv|unmarshal|interface|viper|mapstructure|yaml: |map or struct|decoding|parse value|unconvertible|!!|goroutine`)

func TestProblemsAreInPlainWords(t *testing.T) {
	for text, want := range map[string]string{
		"max_line: many":                           `line 1: max_line: "many" is not a whole number`,
		"max_line: 4096.5":                         `line 1: max_line: 4096.5 is not a whole number`,
		"policy: {failures: 99999999999999999999}": `line 1: policy.failures: 100000000000000000000 is too large`,
		"journal_uids: [a]":                        `line 1: journal_uids[0]: "a" is not a whole number`,
		"database: true":                           `line 1: database: true is not a text; put it in quotes if it is meant`,
		"report: {mail: [2026]}":                   `line 1: report.mail[0]: 2026 is not a text; put it in quotes if it is meant`,
		"sources: [{path: 1.10}]":                  `line 1: sources[0].path: 1.1 is not a text; put it in quotes if it is meant`,
		"rules: 2026-11-27":                        `line 1: rules: 2026-11-27 00:00:00 +0000 UTC is not a text; put it in quotes if it is meant`,
		"webhooks: [{name: a, url: 'https://a.example/', secret: 4711}]": `line 1: webhooks[0].secret: the value is not a text; put it in quotes`,
		"privacy: {hash_addresses: maybe}":                               `line 1: privacy.hash_addresses: "maybe" is neither true nor false`,
		"queue_lifetime: 5":                                              `line 1: queue_lifetime: 5 has no unit; write a duration such as`,
		"queue_lifetime: 5days":                                          `line 1: queue_lifetime: "5days" is not a duration; write one such as`,
		"log: loud":                                                      `line 1: log: "loud" is not a group with keys such as level, format`,
		"log: {level: [info]}":                                           `line 1: log.level: a list is not a text`,
		"sources:\n  - path: /var/log/mail.log\n  -":                     `sources[1]: is empty; write something behind the dash`,
		"sources: /var/log/mail.log":                                     `line 1: sources: "/var/log/mail.log" is not a list; each entry begins with a dash`,
		"sources:\n  - /var/log/mail.log":                                `line 2: sources[0]: "/var/log/mail.log" is not a group with keys such as path`,
		"policy: {categories: {blocked: 5}}":                             `line 1: policy.categories.blocked: 5 is not a group`,
		"webhooks: [{timeout: soon}]":                                    `line 1: webhooks[0].timeout: "soon" is not a duration`,
		"hello":                                                          `line 1: the file is not a list of settings`,
		"- path: x":                                                      `line 1: the file is not a list of settings`,
		"database: x\ndatabase: y":                                       `line 2: the key "database" is already set in line 1`,
		"Database: x\nlog: {Level: info}\ndatabase: y":                   `line 3: the key "database" is already set in line 1`,
		"log: {level: info, Level: warn}":                                `line 1: the key "Level" is already set in line 1`,
		"max_line: 1e9":                                                  `line 1: max_line: 1000000000 is more than 64 MiB`,
		"database: x\n database: y":                                      `line 2: a colon is not expected here`,
		"log:\n\tlevel: info":                                            `line 2: a value cannot begin with this character; indent with spaces`,
		"start: @beginning":                                              `a value cannot begin with this character`,
		"sources: [\n":                                                   `line 1: a value is missing, or a bracket is not closed`,
		"database: \"x\n":                                                `a quotation mark is not closed`,
		"database: *x\n":                                                 `a value cannot begin with *; put it in quotes`,
		"a: 1\nb: \x01\n":                                                `line 2: the file has a control character; cat -v shows it as ^ and a letter`,
		"a: 1\nb: \x7f\n":                                                `line 2: the file has a control character; cat -v shows it as ^ and a letter`,
		"\xff\xfe\x00":                                                   `line 1: the file is not a text in UTF-8`,
		"zzz: 5":                                                         `line 1: unknown key "zzz"; config.example.yaml shows all keys`,
		"sources:\n  - path: x\nlog:\n    level: x\n  format: y": `line 4: the indentation differs`,
	} {
		_, err := config.Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%q): %v; want it to say %s", text, err, want)
		}
		if err != nil && libraryWords.MatchString(err.Error()) {
			t.Errorf("Load(%q): %v; that is in the words of a library", text, err)
		}
	}
}

// A value that cannot be read does not hide the other problems, and adds none.
func TestAWrongTypeIsOneProblem(t *testing.T) {
	_, err := config.Load(write(t, "sources: [/var/log/mail.log]\nwebhooks: [5]\nstart: middle\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 3 || !strings.Contains(err.Error(), "line 3: start:") {
		t.Errorf("Load: %v; want one line each about sources, webhooks and start", err)
	}
}

func TestEnvironmentSetsListsAndTimes(t *testing.T) {
	t.Setenv("BOUNCETAIL_JOURNAL_UIDS", "104,105")
	t.Setenv("BOUNCETAIL_PUBLISH_MAPS", "access,exim")
	t.Setenv("BOUNCETAIL_QUEUE_LIFETIME", "48h")
	c, err := config.Load(write(t, "publish: {min_age: 0}\nlog:\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.JournalUIDs, []int{104, 105}) || !reflect.DeepEqual(c.Publish.Maps, []string{"access", "exim"}) || c.QueueLifetime != 48*time.Hour {
		t.Errorf("journal_uids %v, publish.maps %v, queue_lifetime %v", c.JournalUIDs, c.Publish.Maps, c.QueueLifetime)
	}
}

func TestUnknownVariablesGetAHintThatFits(t *testing.T) {
	for name, want := range map[string]string{
		"BOUNCETAIL_FOO":      "a variable is named after a key",
		"BOUNCETAIL_DB":       "name the database with BOUNCETAIL_DATABASE",
		"BOUNCETAIL_CONFIG":   "name the settings file with --config",
		"BOUNCETAIL_LOGLEVEL": "did you mean BOUNCETAIL_LOG_LEVEL?",
		"BOUNCETAIL_LOG":      "did you mean BOUNCETAIL_LOG_FORMAT?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "x")
			_, err := config.Load("")
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "settings from the environment:\n") {
				t.Errorf("%s: %v; want %s", name, err, want)
			}
		})
	}
}
