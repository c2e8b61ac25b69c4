package classify

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bouncetail/bouncetail/internal/text"
)

// parts are the parts of a rules file, by the Go type that yaml names.
var parts = []struct {
	of   reflect.Type
	name string
}{
	{reflect.TypeFor[Rule](), "a rule"},
	{reflect.TypeFor[Match](), "match"},
	{reflect.TypeFor[Says](), "a verdict"},
}

// The messages of yaml about a key that a Go type does not have, and about a value that
// does not fit one.
var (
	unknownKey = regexp.MustCompile(`^(line \d+): field (.*) not found in type (\S+)$`)
	wrongType  = regexp.MustCompile("^(line \\d+): cannot unmarshal (!!\\w+)(?: `(.*)`)? into (.+)$")
)

// shownTypes are the types of YAML, by their tags.
var shownTypes = map[string]string{
	"!!map": "keys", "!!seq": "a list", "!!str": "a text", "!!int": "a number", "!!float": "a number", "!!bool": "true or false",
}

const notAList = "a file of rules is a list; begin each rule with - id:"

// inRules words an error of yaml for somebody who writes rules: it names keys instead of
// Go types.
func inRules(err error) error {
	var mistakes *yaml.TypeError
	if !errors.As(err, &mistakes) {
		return fmt.Errorf("this is no YAML (%s): %s", strings.TrimPrefix(err.Error(), "yaml: "), notAList)
	}
	var errs []error
	for _, m := range mistakes.Errors {
		errs = append(errs, errors.New(mistake(m)))
	}
	return errors.Join(errs...)
}

// mistake words one mistake.
func mistake(says string) string {
	if m := unknownKey.FindStringSubmatch(says); m != nil {
		for _, p := range parts {
			if p.of.String() == m[3] {
				return fmt.Sprintf("%s: %s has no key %s", m[1], p.name, text.Printable(m[2])) +
					cmp.Or(text.Near(m[2], keysOf(p.of)), "; it has "+strings.Join(keysOf(p.of), ", "))
			}
		}
	}
	m := wrongType.FindStringSubmatch(says)
	if m == nil {
		return says
	}
	if m[4] == reflect.TypeFor[[]Rule]().String() {
		return m[1] + ": " + notAList
	}
	found, wanted := shownTypes[m[2]], "a text"
	if found == "" {
		found = m[2]
	}
	if m[3] != "" {
		found = fmt.Sprintf("%q", m[3])
	}
	for _, p := range parts {
		if p.of.String() == m[4] {
			return fmt.Sprintf("%s: %s is written with keys (%s), not as %s", m[1], p.name, strings.Join(keysOf(p.of), ", "), found)
		}
	}
	switch {
	case strings.HasPrefix(m[4], "[]"):
		wanted = "a list, such as ['one', 'two']"
	case m[4] == "bool":
		wanted = "true or false"
	}
	return fmt.Sprintf("%s: found %s instead of %s", m[1], found, wanted)
}

// lineOf returns the line of a file of rules in which a rule begins, or 0 if it is not known.
func lineOf(text []byte, rule int) int {
	var list []yaml.Node
	if err := yaml.Unmarshal(text, &list); err != nil || rule >= len(list) {
		return 0
	}
	return list[rule].Line
}

// keysOf returns the keys of a part of a rules file.
func keysOf(part reflect.Type) []string {
	var keys []string
	for field := range part.Fields() {
		if key := field.Tag.Get("yaml"); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// noSuch returns an error that lists the known values of a key of a verdict, or nil if
// it has one of them.
func noSuch[M any](key, value string, known []M, slug func(M) string) error {
	if slices.ContainsFunc(known, func(m M) bool { return slug(m) == value }) {
		return nil
	}
	names := make([]string, len(known))
	for i, m := range known {
		names[i] = slug(m)
	}
	if value == "" {
		return fmt.Errorf("verdict: %s is missing; it is one of %s", key, strings.Join(names, ", "))
	}
	return fmt.Errorf("verdict: there is no %s %q%s", key, value, cmp.Or(text.Near(value, names), "; it is one of "+strings.Join(names, ", ")))
}
