package classify

import (
	"bytes"
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/bouncetail/bouncetail/bounce"
)

//go:embed rules/*.yaml
var ruleFiles embed.FS

// Rule is an entry of a rules file.
type Rule struct {
	ID      string   `yaml:"id"`  // stable: it is stored with each record
	Why     string   `yaml:"why"` // in one sentence
	Match   Match    `yaml:"match"`
	Says    Says     `yaml:"verdict"`
	Decides []string `yaml:"decides"` // replies that it must decide
	Leaves  []string `yaml:"leaves"`  // the nearest replies that it must not

	text, code, enhanced *regexp.Regexp
}

// Match says what a rule reads. All that is given must match.
type Match struct {
	Text     string `yaml:"text"`     // an expression in the reply, in lower case
	Code     string `yaml:"code"`     // an expression for the whole SMTP code
	Enhanced string `yaml:"enhanced"` // an expression for the whole enhanced code
	Local    bool   `yaml:"local"`    // only what the MTA words itself
}

// Says is the verdict of a rule.
type Says struct {
	Category    bounce.Category    `yaml:"category"`
	Reason      bounce.Reason      `yaml:"reason"`
	Scope       bounce.Scope       `yaml:"scope"`
	Disposition bounce.Disposition `yaml:"disposition"`
}

func (r *Rule) verdict() bounce.Verdict {
	return bounce.Verdict{Category: r.Says.Category, Reason: r.Says.Reason, Scope: r.Says.Scope, Disposition: r.Says.Disposition, Rule: r.ID}
}

func (r *Rule) matches(s *shape) bool {
	return (!r.Match.Local || s.code == 0) &&
		(r.code == nil || r.code.MatchString(strconv.Itoa(s.code))) &&
		(r.enhanced == nil || r.enhanced.MatchString(s.enhanced)) &&
		(r.text == nil || r.text.MatchString(s.text))
}

// builtin loads the embedded rules, file by file in the order of their names.
func builtin() ([]Rule, error) {
	entries, err := ruleFiles.ReadDir("rules")
	if err != nil {
		return nil, err
	}
	var all []Rule
	ids := make(map[string]bool)
	for _, e := range entries {
		text, err := ruleFiles.ReadFile("rules/" + e.Name())
		if err != nil {
			return nil, err
		}
		rules, err := parseRules(text)
		if err != nil {
			return nil, fmt.Errorf("rules/%s: %w", e.Name(), err)
		}
		for _, r := range rules {
			if ids[r.ID] {
				return nil, fmt.Errorf("rules/%s: the id %s is used twice", e.Name(), r.ID)
			}
			ids[r.ID] = true
		}
		all = append(all, rules...)
	}
	return all, nil
}

func parseRules(text []byte) ([]Rule, error) {
	var rules []Rule
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		return nil, err
	}
	for i := range rules {
		if err := rules[i].compile(); err != nil {
			return nil, fmt.Errorf("rule %d (%s): %w", i+1, rules[i].ID, err)
		}
	}
	return rules, nil
}

func (r *Rule) compile() error {
	if r.ID == "" || r.Why == "" || len(r.Decides) == 0 || len(r.Leaves) == 0 {
		return fmt.Errorf("id, why, decides and leaves are all needed")
	}
	if r.Match.Text == "" && r.Match.Code == "" && r.Match.Enhanced == "" {
		return fmt.Errorf("match names neither text, code nor enhanced")
	}
	if !slices.ContainsFunc(bounce.Categories, func(m bounce.Meaning) bool { return m.Slug == string(r.Says.Category) }) {
		return fmt.Errorf("no category %q", r.Says.Category)
	}
	if !slices.ContainsFunc(bounce.Reasons, func(m bounce.ReasonMeaning) bool { return m.Reason == r.Says.Reason }) {
		return fmt.Errorf("no reason %q", r.Says.Reason)
	}
	if r.Says.Disposition != bounce.Retry && r.Says.Disposition != bounce.Permanent {
		return fmt.Errorf("no disposition %q", r.Says.Disposition)
	}
	for _, e := range []struct {
		text  string
		whole bool
		into  **regexp.Regexp
	}{{r.Match.Text, false, &r.text}, {r.Match.Code, true, &r.code}, {r.Match.Enhanced, true, &r.enhanced}} {
		if e.text == "" {
			continue
		}
		if e.whole {
			e.text = "^(?:" + e.text + ")$"
		}
		compiled, err := regexp.Compile(e.text)
		if err != nil {
			return err
		}
		*e.into = compiled
	}
	return nil
}
