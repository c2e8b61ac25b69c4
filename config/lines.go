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

const (
	envPrefix     = "BOUNCETAIL_"
	testVariables = "BOUNCETAIL_TEST_" // those of the tests of the project
)

// otherNames are names that people give to variables of settings.
var otherNames = map[string]string{
	"BOUNCETAIL_DB":     "name the database with BOUNCETAIL_DATABASE",
	"BOUNCETAIL_CONFIG": "name the settings file with --config",
}

// unknownVariables reports the variables of the environment that look like settings
// and are none: a misspelled one would have no effect.
func unknownVariables(environ, keys []string) (problems []string) {
	var names, known []string // names are without the prefix, which all have in common
	for _, key := range keys {
		known = append(known, variable(key))
		names = append(names, strings.TrimPrefix(variable(key), envPrefix))
	}
	slices.Sort(names)
	slices.Sort(environ)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		short, ours := strings.CutPrefix(name, envPrefix)
		if value == "" || !ours || strings.HasPrefix(name, testVariables) || slices.Contains(known, name) {
			continue
		}
		hint := "a variable is named after a key: log.level is BOUNCETAIL_LOG_LEVEL"
		longer := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, short+"_") })
		if other, known := otherNames[name]; known {
			hint = other
		} else if now, renamed := renamedVariable(name); renamed {
			problems = append(problems, name+" is now called "+now)
			continue
		} else if near := text.Similar(strings.ToLower(short), lower(names)); near != "" {
			hint = "did you mean " + envPrefix + strings.ToUpper(near) + "?"
		} else if longer >= 0 {
			hint = "did you mean " + envPrefix + names[longer] + "?"
		}
		problems = append(problems, fmt.Sprintf("unknown environment variable %s; %s", name, hint))
	}
	return problems
}

func renamedVariable(name string) (now string, renamed bool) {
	for old, key := range renamedKeys {
		if variable(old) == name {
			return variable(key), true
		}
	}
	return "", false
}

func lower(words []string) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = strings.ToLower(w)
	}
	return all
}

// problemKey finds the key that a problem is about.
var problemKey = regexp.MustCompile(`^(?:unknown key "([^"]+)"|([a-z_]+(?:[.\[][^: ]*)?): )`)

// index is an entry of a list in a key.
var index = regexp.MustCompile(`\[\d+\].*$`)

// describe returns the problems of the file, each with its line, and those of the
// environment, each with its variable.
func describe(problems []string, file string, content []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return err
	}
	var inFile, inEnvironment []string
	for _, problem := range problems {
		m := problemKey.FindStringSubmatch(problem)
		if m == nil {
			inEnvironment = append(inEnvironment, problem)
			continue
		}
		key := m[1] + m[2]
		name := variable(index.ReplaceAllString(key, ""))
		if value, set := os.LookupEnv(name); set && value != "" {
			inEnvironment = append(inEnvironment, fmt.Sprintf("%s (%s): %s", name, key, strings.TrimPrefix(problem, key+": ")))
			continue
		}
		if len(document.Content) > 0 {
			if line := lineOf(document.Content[0], key); line > 0 {
				problem = fmt.Sprintf("line %d: %s", line, problem)
			}
		}
		inFile = append(inFile, problem)
	}
	var parts []string
	if len(inFile) > 0 {
		parts = append(parts, fmt.Sprintf("settings in %s:\n%s", file, indent(strings.Join(inFile, "\n"))))
	}
	if len(inEnvironment) > 0 {
		parts = append(parts, "settings from the environment:\n"+indent(strings.Join(inEnvironment, "\n")))
	}
	return errors.New(strings.Join(parts, "\n"))
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
		default: // it has no keys
		}
		if next == nil {
			return line
		}
		n = next
	}
	return line
}
