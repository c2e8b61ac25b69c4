package classify

import (
	"github.com/bouncetail/bouncetail/bounce"
)

// Explanation describes how a verdict came about.
type Explanation struct {
	// Read is the reply in the form that rules read.
	Read string
	// SMTPCode and EnhancedCode are what the reply is judged by. Inner reports
	// that they are those of a reply inside it.
	SMTPCode     int
	EnhancedCode string
	Inner        bool
	// Statements are what the clauses of the reply say, in their order.
	Statements []Statement
	// Context are the facts beside the reply that the verdict depends on.
	Context []string
	// Layers are all that had a say, in the order in which they are asked. The
	// first decided.
	Layers []Layer
	// Bounded reports what the stage, the rest of the reply, the context or the
	// outcome changed in the verdict of the first layer. It is empty if they
	// changed nothing.
	Bounded string
	Verdict bounce.Verdict
}

// Statement is what a clause says, in words of the reply.
type Statement struct {
	Says      string // as rules name it: "recipient is missing"
	Clause    string
	Subject   string // empty if the clause names none
	Predicate string
}

// Layer is one answer to a reply.
type Layer struct {
	Name    string // "own rule", "provider's wording", "wording", "status", "enhanced code", "guide", "class of the code"
	Why     string // of a rule
	File    string // of a rule
	Span    string // the words that made a rule match
	Verdict bounce.Verdict
}

// Explain judges a delivery and describes how, rules that were not needed included.
func (c *Classifier) Explain(d *bounce.Delivery) Explanation {
	f, text := factsOf(d)
	j := newJudged(shape{string(foldFor(nil, text, namesOf(d, f.speaker))), f})
	e := Explanation{
		Read:         j.words,
		SMTPCode:     j.code,
		EnhancedCode: j.enhanced,
		Inner:        j.inner || j.code != d.Reply.SMTPCode || j.enhanced != d.Reply.EnhancedCode,
		Statements:   j.reading().describe(),
		Layers:       c.layers(j),
		Verdict:      c.Verdict(d),
	}
	first := c.decide(j)
	for i := range e.Layers {
		if e.Layers[i].Verdict.Rule == first.Rule {
			decided := e.Layers[i]
			copy(e.Layers[1:i+1], e.Layers[:i])
			e.Layers[0] = decided
			break
		}
	}
	e.Bounded = bounded(first, c.bound(first, j), j)
	e.Context = j.context(first)
	return e
}

// layers returns the answers of all layers.
func (c *Classifier) layers(j *judged) []Layer {
	var all []Layer
	if v, ok := byStatus(j); ok {
		why := "The mail server logs the status of the reply; its words only name the class of the code."
		all = append(all, Layer{Name: "status", Why: why, Verdict: v})
	}
	for i := range c.rules {
		r := &c.rules[i]
		if span, ok := r.match(j); ok {
			all = append(all, Layer{Name: r.layer(), Why: r.Why, File: r.File, Span: span.String(), Verdict: r.Says.verdict(r.ID)})
		}
	}
	if v := byCodes(j); j.enhanced != "" && group(v.Rule) == "enhanced" {
		all = append(all, Layer{Name: "enhanced code", Verdict: v})
	}
	if v, ok := byGuide(j.code, j.enhanced, !j.hasWords()); ok {
		all = append(all, Layer{Name: "guide", Verdict: v})
	}
	return append(all, Layer{Name: "class of the code", Verdict: byClass(j.code)})
}

// bounded says what changed a verdict.
func bounded(first, after bounce.Verdict, j *judged) string {
	switch {
	case j.changed != "":
		return j.changed
	case after.Category != first.Category:
		return "said before the recipient was named, so it is about the sender"
	case after.Disposition == first.Disposition:
		return ""
	case j.outcome == bounce.Deferred:
		return "the mail server tries again"
	case j.outcome == bounce.Bounced:
		return "the mail server took the code for final"
	}
	return "the mail server gave up for the message's age"
}

// context returns the facts beside the reply that a verdict depends on.
func (j *judged) context(v bounce.Verdict) []string {
	var all []string
	switch j.speaker {
	case ourMTA:
		all = append(all, "these are your mail server's own words")
	case gateway:
		all = append(all, "this is what the recipient's server told a server that asked it")
	case remote, nobody:
	}
	switch j.way {
	case localWay:
		all = append(all, "the delivery is local")
	case relayWay:
		all = append(all, "the delivery goes through a configured relay")
	case unknownWay:
	}
	if j.stage != "" {
		all = append(all, "in reply to "+string(j.stage))
	}
	if j.dsn != "" {
		all = append(all, "logged with the status "+j.dsn)
	}
	if v.Scope == bounce.ScopeDomain {
		all = append(all, j.relation().String())
	}
	return all
}

// describe returns the statements in words of the reply.
func (r *reading) describe() []Statement {
	var all []Statement
	for i := range r.statements {
		s := &r.statements[i]
		all = append(all, Statement{s.String(), s.clause.String(), s.named.String(), s.says.String()})
	}
	return all
}

func (r *Rule) layer() string {
	switch {
	case r.Own:
		return "own rule"
	case isProvider(r.group()):
		return "provider's wording"
	}
	return "wording"
}
