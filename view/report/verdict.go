package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/view/table"
)

// Judge answers each reply with a verdict.
type Judge struct {
	Classifier *classify.Classifier
	Known      bounce.Delivery // what the flags say beside each reply
	JSON       bool
	Explain    bool
	Out        *table.Screen
}

var statusCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}$`)

// CheckKnown checks the values of the flags --mta, --recipient and --dsn.
func CheckKnown(d *bounce.Delivery) error {
	switch {
	case d.MTA != "" && !slices.Contains(bounce.MTAs, string(d.MTA)):
		return fmt.Errorf("--mta: there is no mail server %q; there are %s", d.MTA, strings.Join(bounce.MTAs, ", "))
	case d.Recipient != "" && !strings.Contains(d.Recipient, "@"):
		return fmt.Errorf("--recipient: %q has no @", d.Recipient)
	case d.DSN != "" && !statusCode.MatchString(d.DSN):
		return fmt.Errorf("--dsn: %q is no status such as 5.1.1", d.DSN)
	}
	return nil
}

// judgement is the object that --json prints.
type judgement struct {
	Reply        string             `json:"reply"`
	SMTPCode     *int               `json:"smtp_code"`
	EnhancedCode *string            `json:"enhanced_code"`
	Category     bounce.Category    `json:"category"`
	Reason       bounce.Reason      `json:"reason"`
	Scope        bounce.Scope       `json:"scope"`
	Disposition  bounce.Disposition `json:"disposition"`
	Suppress     bool               `json:"suppress"`
	Rule         string             `json:"rule"`
	Provider     *string            `json:"provider"`
}

// One answers a reply or a log line.
func (j *Judge) One(reply string) error {
	d, err := readDelivery(reply)
	if err != nil {
		return err
	}
	j.add(&d)
	if d.Outcome == bounce.Sent {
		_, err := fmt.Fprintln(j.Out.Out, map[bool]string{true: "null", false: "sent: nothing to judge"}[j.JSON])
		return err
	}
	if j.Explain {
		return j.explanation(&d)
	}
	v := j.Classifier.Verdict(&d)
	if j.JSON {
		out := judgement{
			Reply:       reply,
			Category:    v.Category,
			Reason:      v.Reason,
			Scope:       v.Scope,
			Disposition: v.Disposition,
			Suppress:    v.Suppress,
			Rule:        v.Rule,
		}
		if d.Reply.SMTPCode != 0 {
			out.SMTPCode = &d.Reply.SMTPCode
		}
		if d.Reply.EnhancedCode != "" {
			out.EnhancedCode = &d.Reply.EnhancedCode
		}
		if v.Provider != "" {
			out.Provider = &v.Provider
		}
		return table.Objects(j.Out.Out).Encode(out)
	}
	_, err = fmt.Fprintln(j.Out.Out, j.Out.Prose(fmt.Sprintf("%s (rule %s)", sentence(v), text.Printable(v.Rule))))
	return err
}

// add adds what the flags say to a delivery. What a log line says goes before.
func (j *Judge) add(d *bounce.Delivery) {
	if d.Recipient == "" {
		d.Recipient = j.Known.Recipient
	}
	if d.DSN == "" {
		d.DSN = j.Known.DSN
	}
	if d.MTA == "" {
		d.MTA = j.Known.MTA
	}
}

// sentence tells a verdict in a line.
func sentence(v bounce.Verdict) string {
	s := fmt.Sprintf("%s / %s: %s, about the %s", v.Category, v.Reason, v.Disposition, v.Scope)
	if v.Suppress {
		s += ", the address is bad"
	}
	return s
}

// explanation shows how a verdict came about, as text or as an object.
func (j *Judge) explanation(d *bounce.Delivery) error {
	e := j.Classifier.Explain(d)
	if j.JSON {
		type layer struct {
			Layer    string          `json:"layer"`
			Rule     string          `json:"rule"`
			Category bounce.Category `json:"category"`
			Reason   bounce.Reason   `json:"reason"`
			Why      string          `json:"why,omitempty"`
			Matched  string          `json:"matched,omitempty"`
		}
		var layers []layer
		for _, l := range e.Layers {
			layers = append(layers, layer{l.Name, l.Verdict.Rule, l.Verdict.Category, l.Verdict.Reason, l.Why, l.Span})
		}
		type statement struct {
			Says      string `json:"says"`
			Clause    string `json:"clause"`
			Subject   string `json:"subject"`
			Predicate string `json:"predicate"`
		}
		statements := []statement{}
		for _, s := range e.Statements {
			statements = append(statements, statement(s))
		}
		return table.Objects(j.Out.Out).Encode(map[string]any{
			"reply":         d.Reply.Text,
			"statements":    statements,
			"context":       append([]string{}, e.Context...),
			"read":          e.Read,
			"smtp_code":     e.SMTPCode,
			"enhanced_code": e.EnhancedCode,
			"inner_reply":   e.Inner,
			"layers":        layers,
			"bounded":       e.Bounded,
			"category":      e.Verdict.Category,
			"reason":        e.Verdict.Reason,
			"scope":         e.Verdict.Scope,
			"disposition":   e.Verdict.Disposition,
			"suppress":      e.Verdict.Suppress,
			"rule":          e.Verdict.Rule,
			"provider":      e.Verdict.Provider,
			"blocklist":     e.Verdict.Blocklist,
			"retry_after":   int(e.Verdict.RetryAfter.Seconds()),
			"url":           e.Verdict.URL,
			"advice":        e.Verdict.Reason.Advice(),
		})
	}
	var b strings.Builder
	field := func(name, format string, args ...any) {
		fmt.Fprintln(&b, j.Out.Hang(fmt.Sprintf("  %-11s ", name), text.Printable(fmt.Sprintf(format, args...))))
	}
	fmt.Fprintln(&b, j.Out.Prose(sentence(e.Verdict)))
	field("read as:", "%s", e.Read)
	if e.Inner {
		field("judged by:", "%s of the reply inside it", strings.TrimSpace(fmt.Sprint(e.SMTPCode)+" "+e.EnhancedCode))
	}
	for _, s := range e.Statements {
		field("says:", "%s, in the clause %q: %s", s.Says, text.Printable(s.Clause), parts(s))
	}
	for _, c := range e.Context {
		field("context:", "%s", c)
	}
	for i, l := range e.Layers {
		label := "also:"
		if i == 0 {
			label = "decided by:"
		}
		span := ""
		if l.Span != "" {
			span = fmt.Sprintf(", for %q", l.Span)
		}
		field(label, "%s, %s: %s / %s%s", l.Name, l.Verdict.Rule, l.Verdict.Category, l.Verdict.Reason, span)
		if l.Why != "" && i == 0 {
			field("", "%s", l.Why)
		}
	}
	if e.Bounded != "" {
		field("bounded:", "%s", e.Bounded)
	}
	for _, detail := range []struct{ name, value string }{
		{"provider", e.Verdict.Provider}, {"blocklist", e.Verdict.Blocklist}, {"page", e.Verdict.URL}, {"to do", e.Verdict.Reason.Advice()},
	} {
		if detail.value != "" {
			field(detail.name+":", "%s", detail.value)
		}
	}
	if e.Verdict.RetryAfter > 0 {
		field("wait:", "%s", e.Verdict.RetryAfter)
	}
	_, err := io.WriteString(j.Out.Out, b.String())
	return err
}

// parts names the subject and the predicate of a statement.
func parts(s classify.Statement) string {
	if s.Subject == "" {
		return fmt.Sprintf("no subject, predicate %q", text.Printable(s.Predicate))
	}
	return fmt.Sprintf("subject %q, predicate %q", text.Printable(s.Subject), text.Printable(s.Predicate))
}

// readDelivery reads a whole log line, or else takes the text as a reply.
func readDelivery(text string) (bounce.Delivery, error) {
	p, err := logparse.New(logparse.Options{Anchor: time.Now()})
	if err != nil {
		return bounce.Delivery{}, err
	}
	var found *bounce.Delivery
	p.Line(text, func(ev *bounce.Event) {
		if ev.Kind == bounce.EventAttempt {
			found = &ev.Delivery
		}
	})
	if found != nil {
		return *found, nil
	}
	return classify.Delivery(text), nil
}
