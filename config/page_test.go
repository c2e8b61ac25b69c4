package config_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bouncetail/bouncetail/config"
)

var update = flag.Bool("update", false, "write the page of settings again")

// setting is a key of config.example.yaml.
type setting struct {
	key, value, about string
	plain             bool // a single value, which the environment can give
}

// variable is the environment variable that goes before the key.
func (s setting) variable() string {
	return "BOUNCETAIL_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// shown reads the keys of the example, with the comment above each.
func shown(t *testing.T) []setting {
	t.Helper()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var all []setting
	var look func(prefix string, n *yaml.Node)
	look = func(prefix string, n *yaml.Node) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			s := setting{key: prefix + key.Value, about: comment(key.HeadComment), plain: value.Kind == yaml.ScalarNode}
			s.plain = s.plain && !strings.Contains(s.key, "-") // which no shell takes in a name
			if value.Kind == yaml.MappingNode {
				look(s.key+".", value)
				continue
			}
			var literal strings.Builder
			e := yaml.NewEncoder(&literal)
			value.HeadComment, value.LineComment, value.FootComment = "", "", ""
			if err := e.Encode(value); err != nil {
				t.Fatal(err)
			}
			s.value = strings.TrimSpace(literal.String())
			all = append(all, s)
		}
	}
	look("", document.Content[0])
	return all
}

// comment returns the words of a comment, without the example that stands in
// it behind an empty line.
func comment(raw string) string {
	// What stands above the first key is about the file.
	if parts := strings.Split(raw, "\n\n"); len(parts) > 1 {
		raw = parts[len(parts)-1]
	}
	var words []string
	for line := range strings.Lines(raw) {
		line = strings.TrimSpace(line)
		if line == "#" {
			break
		}
		words = append(words, strings.TrimSpace(strings.TrimPrefix(line, "#")))
	}
	return strings.Join(words, " ")
}

// docs/settings.md is made from config.example.yaml.
func TestPageOfSettingsIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Settings\n\n<!-- Made from config.example.yaml by: go test ./config -update -->\n\n" +
		"`/etc/bouncetail/config.yaml`, or the file that `--config` names. Each key may be left out. " +
		"An environment variable goes before the file, and `--db` before both; empty ones count for nothing.\n\n" +
		"| key | default | environment | |\n| --- | --- | --- | --- |\n")
	for _, s := range shown(t) {
		variable := ""
		if s.plain {
			variable = "`" + s.variable() + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.key, strings.ReplaceAll(s.value, "\n", " "), variable, strings.ReplaceAll(s.about, "|", "\\|"))
	}
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "\nThe file itself, as the packages install it:\n\n```yaml\n%s```\n", text)
	const page = "../docs/settings.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is not current; run go test ./config -update", page)
	}
}

// A variable that is listed has to change something: the value, or, where no
// such value exists, it is refused by the name of the key.
func TestEveryVariableOfTheEnvironmentCounts(t *testing.T) {
	file := write(t, "")
	for _, s := range shown(t) {
		if !s.plain {
			continue
		}
		t.Run(s.variable(), func(t *testing.T) {
			t.Setenv(s.variable(), "17h")
			c, err := config.Load(file)
			if err == nil && reflect.DeepEqual(c, config.Default()) {
				t.Errorf("%s=17h changes nothing", s.variable())
			}
			if err != nil && !strings.Contains(strings.NewReplacer("[", ".", "]", "").Replace(err.Error()), s.key) {
				t.Errorf("%s=17h is refused without its key %s: %v", s.variable(), s.key, err)
			}
		})
	}
}
