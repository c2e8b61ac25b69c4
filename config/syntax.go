package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// checkSyntax returns what is wrong with the form of a settings file, in words for
// somebody who does not know the YAML library.
func checkSyntax(file []byte) error {
	var settings map[string]any
	err := yaml.Unmarshal(file, &settings)
	if err == nil {
		return checkTraps(file)
	}
	var problems []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		m := yamlProblem.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue // a heading
		}
		place := ""
		if m[1] != "" {
			place = "line " + m[1] + ": "
		}
		if line := notText(file); place == "" && line > 0 {
			place = fmt.Sprintf("line %d: ", line)
		}
		problems = append(problems, errors.New(place+inWords(m[2])))
	}
	return errors.Join(problems...)
}

// notText returns the first line with a control character, or with bytes that are no UTF-8,
// or 0 if there is none. The YAML library does not say which line it is.
func notText(file []byte) (line int) {
	for i, text := range bytes.Split(file, []byte("\n")) {
		control := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\u0085", r) }
		if !utf8.Valid(text) || bytes.ContainsFunc(text, control) {
			return i + 1
		}
	}
	return 0
}

// checkTraps returns what is good YAML and means something else than it looks like.
func checkTraps(file []byte) error {
	documents := yaml.NewDecoder(bytes.NewReader(file))
	var first, second yaml.Node
	if err := documents.Decode(&first); err != nil {
		return nil // an empty file
	}
	problems := append(octalNumbers(&first), repeatedKeys(&first)...)
	if documents.Decode(&second) == nil {
		problems = append(problems, fmt.Errorf(
			"line %d: settings behind a line \"---\" are not read; put all settings before it",
			second.Line,
		))
	}
	return errors.Join(problems...)
}

// octalNumbers reports the numbers with a zero in front, such as 0100, which YAML
// reads as 64.
func octalNumbers(n *yaml.Node) (problems []error) {
	if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Tag == "!!int" && octal.MatchString(n.Value) {
		problems = append(problems, fmt.Errorf(
			"line %d: %s has a zero in front, which makes it an octal number; leave the zero out, or put a text in quotes",
			n.Line, n.Value,
		))
	}
	for _, child := range n.Content {
		problems = append(problems, octalNumbers(child)...)
	}
	return problems
}

// repeatedKeys reports the keys of a group that differ only in the case of letters, which
// is ignored: one of them would count.
func repeatedKeys(n *yaml.Node) (problems []error) {
	lines := make(map[string]int)
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		key := n.Content[i]
		name := strings.ToLower(key.Value)
		if line := lines[name]; line > 0 {
			problems = append(problems, fmt.Errorf("line %d: the key %q is already set in line %d", key.Line, key.Value, line))
		}
		lines[name] = key.Line
	}
	for _, child := range n.Content {
		problems = append(problems, repeatedKeys(child)...)
	}
	return problems
}

var octal = regexp.MustCompile(`^[-+]?0[0-7_]+$`)

var (
	yamlProblem  = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*[^:])$`)
	duplicateKey = regexp.MustCompile(`mapping key "(.*)" already defined at line (\d+)`)
)

// yamlWords are what the YAML library says, and what an admin has to look for.
var yamlWords = []struct{ says, means string }{
	{"cannot unmarshal", "the file is not a list of settings, one \"key: value\" a line"},
	{"mapping values are not allowed", "a colon is not expected here; check the indentation, and put a text with a colon in quotes"},
	{"found character that cannot start", "a value cannot begin with this character; indent with spaces and not with tabs, and put the value in quotes"},
	{"found a tab character", "a tab is not allowed here; indent with spaces"},
	{"unexpected end of stream", "a quotation mark is not closed"},
	{"did not find expected node content", "a value is missing, or a bracket is not closed"},
	{"did not find expected ',' or", "a bracket is not closed, or a comma is missing"},
	{"did not find expected key", "the indentation differs from the lines before, or a quotation mark is missing"},
	{"did not find expected '-' indicator", "an entry of the list does not begin with a dash, or the indentation differs"},
	{"could not find expected ':'", "a colon is missing after a key"},
	{"unknown anchor", "a value cannot begin with *; put it in quotes"},
	{"UTF-", "the file is not a text in UTF-8"},
	{"control characters are not allowed", "the file has a control character; cat -v shows it as ^ and a letter"},
	{"invalid leading", "the file is not a text in UTF-8"},
}

func inWords(says string) string {
	if m := duplicateKey.FindStringSubmatch(says); m != nil {
		return fmt.Sprintf("the key %q is already set in line %s", m[1], m[2])
	}
	for _, w := range yamlWords {
		if strings.Contains(says, w.says) {
			return w.means
		}
	}
	return "this is not YAML (" + says + ")"
}
