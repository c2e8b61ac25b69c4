package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkSyntax returns what is wrong with the form of a settings file, in words for
// somebody who does not know the YAML library.
func checkSyntax(file []byte) error {
	var settings map[string]any
	err := yaml.Unmarshal(file, &settings)
	if err == nil {
		return nil
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
		problems = append(problems, errors.New(place+inWords(m[2])))
	}
	return errors.Join(problems...)
}

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
	{"control characters are not allowed", "the file is not a text in UTF-8"},
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
