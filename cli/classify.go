package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/logparse"
)

func (a *app) classify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "classify [REPLY…]",
		Short: "Judge replies or whole log lines, from arguments or a line each from standard input",
		RunE: func(_ *cobra.Command, replies []string) error {
			classifier, err := classify.New("")
			if err != nil {
				return err
			}
			judge := judge{classifier: classifier, json: asJSON, out: a.stdout}
			for _, reply := range replies {
				if err := judge.one(reply); err != nil {
					return err
				}
			}
			if len(replies) > 0 {
				return nil
			}
			lines := bufio.NewReader(a.stdin)
			for {
				line, err := lines.ReadString('\n')
				if err != nil && err != io.EOF {
					return fmt.Errorf("standard input: %w", err)
				}
				if line != "" {
					if err := judge.one(strings.TrimRight(line, "\r\n")); err != nil {
						return err
					}
				}
				if err == io.EOF {
					return nil
				}
			}
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// judge answers each reply with one line.
type judge struct {
	classifier *classify.Classifier
	json       bool
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

func (j *judge) one(text string) error {
	d, err := delivery(text)
	if err != nil {
		return err
	}
	if d.Outcome == bounce.Sent {
		_, err := fmt.Fprintln(j.out, map[bool]string{true: "null", false: "sent: nothing to judge"}[j.json])
		return err
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
		return json.NewEncoder(j.out).Encode(out)
	}
	address := ""
	if v.Suppress {
		address = ", the address is bad"
	}
	_, err = fmt.Fprintf(j.out, "%s / %s: %s, about the %s%s (rule %s)\n", v.Category, v.Reason, v.Disposition, v.Scope, address, v.Rule)
	return err
}

// delivery reads a whole log line, or else takes the text as a reply.
func delivery(text string) (bounce.Delivery, error) {
	p, err := logparse.New(logparse.Options{Anchor: time.Now()})
	if err != nil {
		return bounce.Delivery{}, err
	}
	var found *bounce.Delivery
	p.Line([]byte(text), func(ev *bounce.Event) {
		if ev.Kind == bounce.EventAttempt {
			found = &bounce.Delivery{Recipient: ev.Recipient, Outcome: ev.Outcome, DSN: ev.DSN, MTA: ev.MTA, Reply: ev.Reply}
		}
	})
	if found != nil {
		return *found, nil
	}
	return classify.Delivery(text), nil
}
