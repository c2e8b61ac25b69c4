package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) classify() *cobra.Command {
	var asJSON, explain bool
	var known bounce.Delivery
	var mta string
	c := &cobra.Command{
		Use:   "classify [REPLY…]",
		Short: "Judge replies or whole log lines, from arguments or a line each from standard input",
		Long: "Judges replies or whole log lines, from arguments or one a line from standard input.\n\n" +
			"A bare reply does not say who it is about. If a verdict depends on it, name the recipient: a domain that your " +
			"own mail server could not find makes the address bad only if it is the recipient's domain.",
		Example: "  bouncetail classify '550 5.1.1 User unknown'\n" +
			"  bouncetail classify --explain '421 4.7.28 Our system has detected an unusual rate of mail'\n" +
			"  bouncetail classify --recipient jane@gone.example 'Name service error for name=gone.example type=A: Host not found'\n" +
			"  bouncetail classify --mta sendmail --dsn 5.7.1 'User unknown'\n" +
			"  grep status=bounced /var/log/mail.log | bouncetail classify --json",
	}
	folder := rulesFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().BoolVar(&explain, "explain", false, "show every layer that had a say, and what to do")
	c.Flags().StringVar(&known.Recipient, "recipient", "", "the address that the reply is about")
	c.Flags().StringVar(&known.DSN, "dsn", "", "the status that the mail server logged, such as 5.1.1")
	c.Flags().StringVar(&mta, "mta", "", "the mail server that logged it: postfix, exim, sendmail or opensmtpd")
	c.RunE = func(_ *cobra.Command, replies []string) error {
		known.MTA = bounce.MTA(mta)
		if err := checkKnown(&known); err != nil {
			return err
		}
		classifier, err := a.classifier(*folder)
		if err != nil {
			return err
		}
		judge := judge{classifier: classifier, known: known, json: asJSON, explain: explain, out: a.stdout}
		return eachReply(replies, a.stdin, judge.one)
	}
	return c
}

// judge answers each reply with one line.
type judge struct {
	classifier *classify.Classifier
	known      bounce.Delivery // what the flags say beside each reply
	json       bool
	explain    bool
	out        io.Writer
}

// judgement is the object that --json prints.
type judgement struct {
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

func (j *judge) one(reply string) error {
	d, err := delivery(reply)
	if err != nil {
		return err
	}
	j.add(&d)
	if d.Outcome == bounce.Sent {
		_, err := fmt.Fprintln(j.out, map[bool]string{true: "null", false: "sent: nothing to judge"}[j.json])
		return err
	}
	if j.explain {
		return j.explanation(&d)
	}
	v := j.classifier.Verdict(&d)
	if j.json {
		out := judgement{Category: v.Category, Reason: v.Reason, Scope: v.Scope, Disposition: v.Disposition, Suppress: v.Suppress, Rule: v.Rule}
		if d.Reply.SMTPCode != 0 {
			out.SMTPCode = &d.Reply.SMTPCode
		}
		if d.Reply.EnhancedCode != "" {
			out.EnhancedCode = &d.Reply.EnhancedCode
		}
		if v.Provider != "" {
			out.Provider = &v.Provider
		}
		return table.Objects(j.out).Encode(out)
	}
	_, err = fmt.Fprintf(j.out, "%s (rule %s)\n", sentence(v), text.Printable(v.Rule))
	return err
}

// add adds what the flags say to a delivery. What a log line says goes before.
func (j *judge) add(d *bounce.Delivery) {
	if d.Recipient == "" {
		d.Recipient = j.known.Recipient
	}
	if d.DSN == "" {
		d.DSN = j.known.DSN
	}
	if d.MTA == "" {
		d.MTA = j.known.MTA
	}
}

var statusCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}$`)

// checkKnown checks the values of the flags.
func checkKnown(d *bounce.Delivery) error {
	switch d.MTA {
	case "", bounce.Postfix, bounce.Exim, bounce.Sendmail, bounce.OpenSMTPD:
	default:
		return usageError{fmt.Errorf("--mta: there is no mail server %q; there are postfix, exim, sendmail and opensmtpd", d.MTA)}
	}
	if d.Recipient != "" && !strings.Contains(d.Recipient, "@") {
		return usageError{fmt.Errorf("--recipient: %q has no @", d.Recipient)}
	}
	if d.DSN != "" && !statusCode.MatchString(d.DSN) {
		return usageError{fmt.Errorf("--dsn: %q is no status such as 5.1.1", d.DSN)}
	}
	return nil
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
func (j *judge) explanation(d *bounce.Delivery) error {
	e := j.classifier.Explain(d)
	if j.json {
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
		return table.Objects(j.out).Encode(map[string]any{
			"statements": statements, "context": append([]string{}, e.Context...),
			"read": e.Read, "smtp_code": e.SMTPCode, "enhanced_code": e.EnhancedCode, "inner_reply": e.Inner, "layers": layers, "bounded": e.Bounded,
			"category": e.Verdict.Category, "reason": e.Verdict.Reason, "scope": e.Verdict.Scope, "disposition": e.Verdict.Disposition,
			"suppress": e.Verdict.Suppress, "rule": e.Verdict.Rule, "provider": e.Verdict.Provider,
			"blocklist": e.Verdict.Blocklist, "retry_after": int(e.Verdict.RetryAfter.Seconds()), "url": e.Verdict.URL, "advice": e.Verdict.Reason.Advice(),
		})
	}
	var b strings.Builder
	fmt.Fprintln(&b, sentence(e.Verdict))
	fmt.Fprintf(&b, "  read as:    %s\n", text.Printable(e.Read))
	if e.Inner {
		fmt.Fprintf(&b, "  judged by:  %s of the reply inside it\n", strings.TrimSpace(fmt.Sprint(e.SMTPCode)+" "+e.EnhancedCode))
	}
	for _, s := range e.Statements {
		fmt.Fprintf(&b, "  says:       %s, in the clause %q: %s\n", s.Says, text.Printable(s.Clause), parts(s))
	}
	for _, c := range e.Context {
		fmt.Fprintf(&b, "  context:    %s\n", text.Printable(c))
	}
	for i, l := range e.Layers {
		label := "  also:       "
		if i == 0 {
			label = "  decided by: "
		}
		fmt.Fprintf(&b, "%s%s, %s: %s / %s", label, l.Name, text.Printable(l.Verdict.Rule), l.Verdict.Category, l.Verdict.Reason)
		if l.Span != "" {
			fmt.Fprintf(&b, ", for %q", l.Span)
		}
		b.WriteByte('\n')
		if l.Why != "" && i == 0 {
			fmt.Fprintf(&b, "              %s\n", text.Printable(l.Why))
		}
	}
	if e.Bounded != "" {
		fmt.Fprintf(&b, "  bounded:    %s\n", e.Bounded)
	}
	for _, detail := range []struct{ name, value string }{
		{"provider", e.Verdict.Provider}, {"blocklist", e.Verdict.Blocklist}, {"page", e.Verdict.URL}, {"to do", e.Verdict.Reason.Advice()},
	} {
		if detail.value != "" {
			fmt.Fprintf(&b, "  %-11s %s\n", detail.name+":", text.Printable(detail.value))
		}
	}
	if e.Verdict.RetryAfter > 0 {
		fmt.Fprintf(&b, "  wait:       %s\n", e.Verdict.RetryAfter)
	}
	_, err := io.WriteString(j.out, b.String())
	return err
}

// parts names the subject and the predicate of a statement.
func parts(s classify.Statement) string {
	if s.Subject == "" {
		return fmt.Sprintf("no subject, predicate %q", text.Printable(s.Predicate))
	}
	return fmt.Sprintf("subject %q, predicate %q", text.Printable(s.Subject), text.Printable(s.Predicate))
}

// delivery reads a whole log line, or else takes the text as a reply.
func delivery(text string) (bounce.Delivery, error) {
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
