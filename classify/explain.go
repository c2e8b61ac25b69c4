package classify

import (
	"github.com/bouncetail/bouncetail/bounce"
)

// Explanation tells how a verdict came about.
type Explanation struct {
	// Read is the reply in the form that rules read.
	Read string
	// SMTPCode and EnhancedCode are what the reply is judged by. Inner tells
	// that they are those of a reply inside it.
	SMTPCode     int
	EnhancedCode string
	Inner        bool
	// Layers are all that had a say, in the order in which they are asked. The
	// first decided.
	Layers []Layer
	// Bounded tells what the stage or the outcome changed in the verdict of the
	// first layer, and is empty where they changed nothing.
	Bounded string
	Verdict bounce.Verdict
}

// Layer is one answer to a reply.
type Layer struct {
	Name    string // "own rule", "provider's wording", "wording", "enhanced code", "guide", "class of the code"
	Why     string // of a rule
	File    string // of a rule
	Span    string // the words that made a rule match
	Verdict bounce.Verdict
}

// Explain judges a delivery and tells how, rules that were not needed included.
func (c *Classifier) Explain(d *bounce.Delivery) Explanation {
	j := newJudged(shape{string(fold(nil, d.Reply.Text)), d.Reply.EnhancedCode, provider(d.Reply.RelayHost), d.Reply.SMTPCode, d.Reply.Stage, d.Outcome})
	e := Explanation{
		Read:         j.words,
		SMTPCode:     j.code,
		EnhancedCode: j.enhanced,
		Inner:        j.code != j.shape.code || j.enhanced != j.shape.enhanced,
		Verdict:      c.Verdict(d),
	}
	for i := range c.rules {
		r := &c.rules[i]
		if span, ok := r.match(j); ok {
			e.Layers = append(e.Layers, Layer{Name: r.layer(), Why: r.Why, File: r.File, Span: span.String(), Verdict: r.Says.verdict(r.ID)})
		}
	}
	if v, ok := byEnhanced(j.enhanced); ok {
		e.Layers = append(e.Layers, Layer{Name: "enhanced code", Verdict: v})
	}
	if v, ok := byGuide(j.code, j.enhanced, !j.hasWords()); ok {
		e.Layers = append(e.Layers, Layer{Name: "guide", Verdict: v})
	}
	e.Layers = append(e.Layers, Layer{Name: "class of the code", Verdict: byClass(j.code)})
	// Bare codes may be decided by the guide before the enhanced code.
	first := c.decide(j)
	for i := range e.Layers {
		if e.Layers[i].Verdict.Rule == first.Rule {
			e.Layers[0], e.Layers[i] = e.Layers[i], e.Layers[0]
			break
		}
	}
	switch after := bound(first, j); {
	case after.Category != first.Category:
		e.Bounded = "said before the recipient was named, so it is about the sender"
	case after.Disposition != first.Disposition && d.Outcome == bounce.Deferred:
		e.Bounded = "the mail server tries again"
	case after.Disposition != first.Disposition:
		e.Bounded = "the mail server gave up for the message's age"
	}
	return e
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
