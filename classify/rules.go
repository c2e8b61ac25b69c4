package classify

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/openfile"
)

//go:embed rules/*.yaml
var ruleFiles embed.FS

// Rule is an entry of a rules file.
type Rule struct {
	ID        string   `yaml:"id"`  // stable: it is stored with each record
	Why       string   `yaml:"why"` // in one sentence
	Match     Match    `yaml:"match"`
	Says      Says     `yaml:"verdict"`
	Decides   []string `yaml:"decides"`   // replies that it must decide
	Leaves    []string `yaml:"leaves"`    // the nearest replies that it must not
	Overrides []string `yaml:"overrides"` // ids of the rules whose examples it may take over

	// File is where the rule stands: a path, or "built in: " and a name.
	File string `yaml:"-"`
	// Own reports that an admin wrote the rule.
	Own bool `yaml:"-"`

	any, with, not, without, mark []expression
	code, enhanced                *regexp.Regexp
}

// Match says what a rule reads. All that is given must match. Expressions are
// of RE2's syntax (https://golang.org/s/re2syntax) and read the reply in lower
// case, with <> for addresses, # for numbers and ids, and (url) for URLs.
type Match struct {
	States   []string       `yaml:"states"`   // the reply must make one of these statements, such as "recipient is missing"
	Any      []string       `yaml:"any"`      // one of these must match
	With     []string       `yaml:"with"`     // and one of these
	Not      []string       `yaml:"not"`      // and none of these in the sentence of the match
	Without  []string       `yaml:"without"`  // and none of these anywhere in the reply
	Mark     []string       `yaml:"mark"`     // one of these must match the reply with its URLs
	Code     string         `yaml:"code"`     // an expression for the whole SMTP code
	Enhanced string         `yaml:"enhanced"` // an expression for the whole enhanced code
	Stage    []bounce.Stage `yaml:"stage"`    // one of these
	Provider []string       `yaml:"provider"` // slugs, one of which the relay's host belongs to
	Local    bool           `yaml:"local"`    // only what the MTA words itself
	// Undisputed asks that no clause names a sender, doubts or asks to try again.
	Undisputed bool `yaml:"undisputed"`
}

// Says is the verdict of a rule.
type Says struct {
	Category    bounce.Category    `yaml:"category"`
	Reason      bounce.Reason      `yaml:"reason"`
	Scope       bounce.Scope       `yaml:"scope"`
	Disposition bounce.Disposition `yaml:"disposition"`
}

func (s Says) verdict(rule string) bounce.Verdict {
	return bounce.Verdict{Category: s.Category, Reason: s.Reason, Scope: s.Scope, Disposition: s.Disposition, Rule: rule}
}

// group is the part of a rule's id before the slash: a provider, or a topic.
func group(id string) string {
	before, _, _ := strings.Cut(id, "/")
	return before
}

func (r *Rule) group() string { return group(r.ID) }

// builtin loads the embedded rules, file by file in the order of their names.
func builtin() ([]Rule, error) {
	return load(ruleFiles, "rules", func(name string) string { return "built in: " + name }, false)
}

// own loads the rules of an admin from the *.yaml files of a directory. A
// directory that does not exist has none.
func own(dir string) ([]Rule, error) {
	if dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return load(os.DirFS(dir), ".", func(name string) string { return filepath.Join(dir, name) }, true)
}

func load(files fs.FS, dir string, where func(name string) string, own bool) ([]Rule, error) {
	entries, err := fs.ReadDir(files, dir) // sorted by name
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err // its path is relative to the directory
		}
		return nil, fmt.Errorf("%s: %w", where("."), err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() || filepath.Ext(e.Name()) != ".yaml" })
	// Each file in a goroutine: an import starts with the rules.
	found, errs := make([][]Rule, len(entries)), make([]error, len(entries))
	var loading sync.WaitGroup
	for i, e := range entries {
		loading.Go(func() {
			found[i], errs[i] = loadRules(files, filepath.ToSlash(filepath.Join(dir, e.Name())), where(e.Name()), own)
		})
	}
	loading.Wait()
	return slices.Concat(found...), errors.Join(errs...)
}

// loadRules loads the rules of a file, and makes them ready to match.
func loadRules(files fs.FS, name, where string, own bool) ([]Rule, error) {
	rules, text, err := loadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	var errs []error
	for i := range rules {
		rules[i].File, rules[i].Own = where, own
		if err := rules[i].compile(); err != nil {
			errs = append(errs, fmt.Errorf("%s: line %d: rule %s: %w", where, lineOf(text, i), rules[i].name(i), err))
		}
	}
	return rules, errors.Join(errs...)
}

// loadFile returns the rules of a file, and its text.
func loadFile(files fs.FS, name string) ([]Rule, []byte, error) {
	info, err := fs.Stat(files, name)
	if err == nil {
		err = openfile.Check(name, info)
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var rules []Rule
	if err := decoder.Decode(&rules); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, inRules(err)
	}
	return rules, text, nil
}

// name is the id, or where the rule stands if it has none.
func (r *Rule) name(i int) string {
	if r.ID != "" {
		return r.ID
	}
	return fmt.Sprintf("number %d", i+1)
}

// compile checks a rule for itself and makes it ready to match.
func (r *Rule) compile() error {
	errs := append(r.incomplete(), r.Says.check()...)
	for _, name := range r.Match.States {
		if !isStatement(name) {
			errs = append(errs, fmt.Errorf("states: there is no statement %q; they read like \"recipient is missing\"", name))
		}
	}
	for _, part := range []struct {
		patterns []string
		into     *[]expression
	}{{r.Match.Any, &r.any}, {r.Match.With, &r.with}, {r.Match.Not, &r.not}, {r.Match.Without, &r.without}, {r.Match.Mark, &r.mark}} {
		for _, p := range part.patterns {
			if part.into != &r.mark {
				p = contractions.Replace(p)
			}
			e, err := compile(p)
			switch {
			case err != nil:
				errs = append(errs, err)
			case strings.ToLower(p) != p && !strings.Contains(p, `\`):
				errs = append(errs, fmt.Errorf("expression %q has capitals, but replies are read in lower case", p))
			}
			*part.into = append(*part.into, e)
		}
	}
	var err error
	if r.code, err = compileCode(r.Match.Code); err != nil {
		errs = append(errs, err)
	}
	if r.enhanced, err = compileCode(r.Match.Enhanced); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// incomplete returns an error for each key that a rule needs and does not have.
func (r *Rule) incomplete() (errs []error) {
	need := func(has bool, what string) {
		if !has {
			errs = append(errs, fmt.Errorf("%s is missing", what))
		}
	}
	m := &r.Match
	need(r.ID != "", "id")
	need(r.Why != "", "why, one sentence,")
	need(len(m.Any)+len(m.States)+len(m.Mark) > 0 || m.Code != "" || m.Enhanced != "", "match with any, states, mark, code or enhanced")
	need(len(r.Decides) > 0, "decides, with at least one reply that the rule decides,")
	return errs
}

// compileCode makes an expression for a whole code, nil if the rule reads none.
func compileCode(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", pattern, err)
	}
	return re, nil
}

// contractions writes expressions as replies are read: without contractions.
var contractions = strings.NewReplacer("cannot", "can not", "can't", "can not", "won't", "will not", "n't", " not")

// isStatement reports whether a statement can be made.
func isStatement(name string) bool {
	for _, subject := range []role{recipient, domain, sender, place, other, 0} {
		for _, doubt := range []doubt{certain, passing, hedged} {
			for _, predicate := range []role{missing, disabled, moved, unavailable, served} {
				if s := (statement{subject: subject, doubt: doubt, predicate: predicate}); s.String() == name {
					return true
				}
			}
		}
	}
	return false
}

func (s Says) check() (errs []error) {
	for _, err := range []error{
		noSuch("category", string(s.Category), bounce.Categories, func(m bounce.Meaning) string { return m.Slug }),
		noSuch("reason", string(s.Reason), bounce.Reasons, func(m bounce.ReasonMeaning) string { return string(m.Reason) }),
		noSuch("scope", string(s.Scope), bounce.Scopes, func(m bounce.ScopeMeaning) string { return string(m.Scope) }),
	} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if s.Disposition != bounce.Retry && s.Disposition != bounce.Permanent {
		errs = append(errs, fmt.Errorf("verdict: disposition is %q, not retry or permanent", s.Disposition))
	}
	if !s.Reason.AddressBad() {
		return errs
	}
	if s.Category != bounce.InvalidAddress && s.Category != bounce.Mailbox {
		errs = append(errs, s.contradiction("category", string(s.Category), string(bounce.InvalidAddress), string(bounce.Mailbox)))
	}
	if s.Scope != bounce.ScopeRecipient && s.Scope != bounce.ScopeDomain {
		errs = append(errs, s.contradiction("scope", string(s.Scope), string(bounce.ScopeRecipient), string(bounce.ScopeDomain)))
	}
	return errs
}

// contradiction returns the error of a reason that says that the address is bad, where
// another key does not say so.
func (s Says) contradiction(key, value, either, or string) error {
	return fmt.Errorf("verdict: the reason %s says that the address is bad, and the %s %s does not; use %s or %s, or another reason",
		s.Reason, key, value, either, or)
}
