package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bouncetail/bouncetail/internal/text"
)

// testVariables begin with this. They are for the tests of the project.
const testVariables = "BOUNCETAIL_TEST_"

// unknownVariables reports the variables of the environment that begin as ours do and
// are none: a misspelt one would have no effect.
func unknownVariables(environ, keys []string) (problems []error) {
	var known []string
	for _, key := range keys {
		known = append(known, variable(key))
	}
	for old := range renamedKeys {
		known = append(known, variable(old)) // reported with its new name
	}
	slices.Sort(environ)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if value == "" || !strings.HasPrefix(name, "BOUNCETAIL_") || strings.HasPrefix(name, testVariables) || slices.Contains(known, name) {
			continue
		}
		problems = append(problems, fmt.Errorf("unknown environment variable %s; did you mean %s?", name, text.Nearest(name, known)))
	}
	return problems
}

// problemKey finds the key that a problem is about.
var problemKey = regexp.MustCompile(`^(?:unknown key "([^"]+)"|'([^']+)' |([a-z_]+(?:[.\[][^: ]*)?): )`)

// withLines puts before each problem the line of the file that its key is in. A problem
// of the environment names its variable instead.
func withLines(err error, path string) error {
	text, readErr := os.ReadFile(path)
	var document yaml.Node
	if readErr == nil {
		readErr = yaml.Unmarshal(text, &document)
	}
	var lines []error
	for problem := range strings.SplitSeq(err.Error(), "\n") {
		m := problemKey.FindStringSubmatch(problem)
		if m != nil {
			key := strings.TrimSuffix(m[1]+m[2]+m[3], ":")
			name := variable(strings.NewReplacer("[", ".", "]", "").Replace(key))
			if value, set := os.LookupEnv(name); set && value != "" {
				problem += " (from the environment variable " + name + ")"
			} else if readErr == nil && len(document.Content) > 0 {
				if line := lineOf(document.Content[0], key); line > 0 {
					problem = fmt.Sprintf("line %d: %s", line, problem)
				}
			}
		}
		lines = append(lines, errors.New(problem))
	}
	return errors.Join(lines...)
}

// lineOf returns the line of a key such as sources[0].mta, of the nearest that is
// there if it is missing, and 0 if none is.
func lineOf(n *yaml.Node, key string) int {
	line := 0
	for part := range strings.FieldsFuncSeq(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		var next *yaml.Node
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if strings.EqualFold(n.Content[i].Value, part) {
					next, line = n.Content[i+1], n.Content[i].Line
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(part); err == nil && i < len(n.Content) {
				next, line = n.Content[i], n.Content[i].Line
			}
		}
		if next == nil {
			return line
		}
		n = next
	}
	return line
}
