package classify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Check runs the examples of all rules against the whole ordered set, and
// returns what is wrong with it: each with the rules and the files.
func (c *Classifier) Check() error {
	errs := c.checkIDs()
	byID := make(map[string]*Rule, len(c.rules))
	for i := range c.rules {
		byID[c.rules[i].ID] = &c.rules[i]
	}
	for i := range c.rules {
		errs = append(errs, c.checkRule(&c.rules[i], byID)...)
	}
	return errors.Join(errs...)
}

// checkRule returns what is wrong with a rule among the others.
func (c *Classifier) checkRule(r *Rule, byID map[string]*Rule) (errs []error) {
	for _, e := range slices.Concat(r.any, r.with, r.not, r.without, r.mark) {
		if e.re.MatchString("") {
			errs = append(errs, fmt.Errorf("%s: rule %s: expression %q matches any reply", r.File, r.ID, e.pattern))
		}
	}
	for _, reply := range r.Decides {
		j := example(r, reply)
		if _, ok := r.match(j); !ok {
			errs = append(errs, fmt.Errorf("%s: rule %s does not match its own example %q: correct one of them", r.File, r.ID, reply))
			continue
		}
		by := byID[c.decide(j).Rule]
		if isOverridden := by.Own && !r.Own && slices.Contains(by.Overrides, r.ID); by.ID != r.ID && !isOverridden {
			errs = append(errs, c.shadowed(r, by, reply))
		}
	}
	for _, reply := range r.Leaves {
		if c.decide(example(r, reply)).Rule == r.ID {
			errs = append(errs, fmt.Errorf("%s: rule %s decides %q, which it is to leave: narrow its match", r.File, r.ID, reply))
		}
	}
	for _, id := range r.Overrides {
		if byID[id] == nil {
			errs = append(errs, fmt.Errorf("%s: rule %s overrides %s, which does not exist", r.File, r.ID, id))
		}
	}
	return errs
}

func (c *Classifier) shadowed(r, by *Rule, reply string) error {
	hint := "narrow that rule, or put this one before it"
	if by.Own && !r.Own {
		hint = fmt.Sprintf("narrow your rule, or add overrides: [%s] to it if that is what you want", r.ID)
	}
	return fmt.Errorf("%s: rule %s takes over %q, an example of rule %s (%s): %s", by.File, by.ID, reply, r.ID, r.File, hint)
}

func (c *Classifier) checkIDs() (errs []error) {
	first := make(map[string]*Rule)
	for i := range c.rules {
		r := &c.rules[i]
		if other, ok := first[r.ID]; ok {
			errs = append(errs, fmt.Errorf("%s: rule %s has the id of a rule in %s: ids are stored with the records and have to differ",
				r.File, r.ID, other.File))
			continue
		}
		first[r.ID] = r
	}
	return errs
}

// example makes a reply of a rules file into what its rule reads: at the first
// stage and the first provider that the rule asks for.
func example(r *Rule, reply string) *judged {
	d := Delivery(reply)
	d.Outcome = bounce.Bounced
	f, text := factsOf(&d)
	s := shape{string(fold(nil, text)), f}
	if len(r.Match.Stage) > 0 {
		s.stage = r.Match.Stage[0]
	}
	if len(r.Match.Provider) > 0 {
		s.provider = r.Match.Provider[0]
	}
	return newJudged(s)
}
