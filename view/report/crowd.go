package report

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Crowd is a crowd as it is shown. Its keys are the columns of the table crowds.
type Crowd struct {
	ID        int64              `json:"id"`
	Kind      recipient.UnitKind `json:"kind"`
	Unit      string             `json:"unit"`
	StartedAt string             `json:"started_at"`
	LastAt    string             `json:"last_at"`
	EndedAt   string             `json:"ended_at"`
	Addresses int                `json:"addresses"`
	Refused   int                `json:"refused"`
	Attempts  int                `json:"attempts"`
	Domains   []string           `json:"domains"`
	Frozen    bool               `json:"frozen"`
	// The commands that make its addresses bad, and ok. Those of a provider or a
	// relay are for one domain, and empty if none is asked for.
	Confirm string `json:"confirm,omitempty"`
	Release string `json:"release,omitempty"`
}

// NewCrowd describes a crowd, with the commands that decide on it. Those of a provider or
// a relay are for a domain.
func NewCrowd(c *recipient.Crowd, domain string, now time.Time) Crowd {
	shown := Crowd{
		ID: c.ID, Kind: c.Unit.Kind, Unit: c.Unit.Name, StartedAt: c.Start, LastAt: c.Last, EndedAt: c.End,
		Addresses: c.Addresses, Refused: c.Refused, Attempts: c.Attempts, Domains: c.Domains, Frozen: c.Frozen,
	}
	if shown.Domains == nil {
		shown.Domains = []string{}
	}
	shown.Confirm, shown.Release = shown.command("confirm", domain, now), shown.command("release", domain, now)
	return shown
}

// ReadCrowds describes the crowds that ended since a time; an empty one is all.
func ReadCrowds(ctx context.Context, r HistoryReader, since string, now time.Time) ([]Crowd, error) {
	all, err := r.Crowds(ctx, since)
	shown := make([]Crowd, len(all))
	for i := range all {
		shown[i] = NewCrowd(&all[i], "", now)
	}
	return shown, err
}

// readCrowds reads the crowds and the confirmations of the attempts.
func (l *History) readCrowds(ctx context.Context, r HistoryReader, now time.Time) error {
	l.Crowds, l.Confirms = []Crowd{}, []recipient.Release{}
	all, err := r.Crowds(ctx, "")
	if err != nil {
		return err
	}
	for i := range all {
		if slices.ContainsFunc(l.Attempts, func(t query.Attempt) bool { return t.Crowd == all[i].ID }) {
			l.Crowds = append(l.Crowds, NewCrowd(&all[i], l.Domain, now))
		}
	}
	confirms, err := r.Confirms(ctx)
	if err != nil {
		return err
	}
	for _, o := range confirms {
		if slices.ContainsFunc(l.Attempts, func(t query.Attempt) bool { return t.Confirm == o.ID }) {
			l.Confirms = append(l.Confirms, o)
		}
	}
	if l.limits, err = r.CrowdLimits(ctx); err != nil {
		return err
	}
	if l.State == bounce.StateSuspect && len(l.Crowds) > 0 {
		c := &l.Crowds[len(l.Crowds)-1]
		l.Clears = "a delivery to it that succeeds; a further refusal after " + l.zone.Short(c.EndedAt) +
			" makes it bad, unless the outage goes on"
	}
	return nil
}

// Refusals are the failures of a crowd, in the words of the commands that decide on them.
// Empty words choose all.
type Refusals struct{ Since, Until, Domain, Reason string }

// Refusals returns the failures of the crowd. Those of a provider or a relay are for one
// domain; there is none if no domain is given.
func (c *Crowd) Refusals(domain string, now time.Time) (r Refusals, ok bool) {
	r.Since = bounce.ParseStamp(c.StartedAt).Format(time.RFC3339)
	if end := bounce.ParseStamp(c.EndedAt).Add(time.Second).Truncate(time.Second); end.Before(now) {
		r.Until = end.Format(time.RFC3339)
	}
	switch c.Kind {
	case recipient.UnitDomain:
		r.Domain = c.Unit
	case recipient.UnitDNS, recipient.UnitHost:
		r.Reason = string(bounce.NoSuchDomain)
	case recipient.UnitProvider, recipient.UnitRelay:
		r.Domain = domain
		return r, domain != ""
	}
	return r, true
}

// command returns the command that confirms or releases the failures of a crowd.
func (c *Crowd) command(verb, domain string, now time.Time) string {
	r, ok := c.Refusals(domain, now)
	if !ok {
		return ""
	}
	var command strings.Builder
	command.WriteString("bouncetail recipients " + verb)
	for _, word := range [][2]string{{"--since", r.Since}, {"--until", r.Until}, {"--domain", r.Domain}, {"--reason", r.Reason}} {
		if word[1] != "" {
			quoted := word[1]
			if word[0] == "--domain" {
				quoted = text.ShellQuote(quoted) // strangers choose the names of domains
			}
			command.WriteString(" " + word[0] + " " + quoted)
		}
	}
	return command.String()
}

// Where says what the refusals of a crowd have in common.
func (c *Crowd) Where() string {
	switch c.Kind {
	case recipient.UnitDomain:
		return "at " + c.Unit
	case recipient.UnitProvider:
		return fmt.Sprintf("at the provider %s, in %s", c.Unit, text.Amount(len(c.Domains), "domain"))
	case recipient.UnitRelay:
		if c.Unit == recipient.OwnServer {
			return "by your own mail server, in " + text.Amount(len(c.Domains), "domain")
		}
		return fmt.Sprintf("by the servers of %s, in %s", c.Unit, text.Amount(len(c.Domains), "domain"))
	case recipient.UnitHost:
		return "whose mail " + c.Unit + " was not found"
	case recipient.UnitDNS:
	}
	return "not found in the DNS"
}

// tellCrowds shows the crowds of an address, and the limits that make them.
func (l *History) tellCrowds(w io.Writer) {
	for i := range l.Crowds {
		c := &l.Crowds[i]
		of := ""
		if c.Attempts > 0 {
			of = fmt.Sprintf(" (%.0f %% of %s)", 100*float64(c.Refused)/float64(c.Attempts), text.Amount(c.Attempts, "attempt"))
		}
		what := text.Amount(c.Addresses, "address") + " that accepted mail " + text.Verb(c.Addresses, "was", "were") + " refused"
		switch c.Kind {
		case recipient.UnitDNS:
			what = text.Amount(c.Addresses, "domain") + " that accepted mail " + text.Verb(c.Addresses, "was", "were")
		case recipient.UnitHost:
			what = text.Amount(c.Addresses, "domain") + " for"
		case recipient.UnitDomain, recipient.UnitProvider, recipient.UnitRelay:
		}
		told := fmt.Sprintf("%s to %s: %s %s%s", l.zone.Short(c.StartedAt), l.zone.Short(c.EndedAt), what, c.Where(), of)
		fmt.Fprintf(w, "  %-15s %s\n", fmt.Sprintf("crowd %d", c.ID), text.Wrap(text.Printable(told), l.width, 18))
	}
	if len(l.Crowds) > 0 && l.limits.Addresses > 0 {
		fmt.Fprintf(w, "  a crowd is      %s\n", text.Wrap(
			limits(l.Crowds[len(l.Crowds)-1].Kind, l.limits)+" (crowds in the settings)",
			l.width, 18,
		))
	}
}

// limits says from when on refusals are a crowd.
func limits(kind recipient.UnitKind, l bounce.CrowdLimits) string {
	switch kind {
	case recipient.UnitHost:
		return fmt.Sprintf("%s or more within an hour", text.Amount(l.Domains, "domain"))
	case recipient.UnitDNS:
		return fmt.Sprintf(
			"%s or more that make up at least %.0f %% of those written to, the fewest 10 %%",
			text.Amount(l.Domains, "domain"), 0.3*float64(l.Share),
		)
	case recipient.UnitProvider, recipient.UnitRelay:
		return fmt.Sprintf(
			"%s or more, in %s, that make up at least %d %%, the fewest 60 %%",
			text.Amount(l.Addresses, "address"), text.Amount(l.Domains, "domain"), l.Share,
		)
	case recipient.UnitDomain:
	}
	return fmt.Sprintf(
		"%s or more that make up at least %d %%, the fewest 60 %%, and %d times what is usual",
		text.Amount(l.Addresses, "address"), l.Share, l.Usual,
	)
}

// tellCommands shows the commands that decide for all addresses of a crowd.
func (l *History) tellCommands(w io.Writer) error {
	if l.State != bounce.StateSuspect || len(l.Crowds) == 0 {
		return nil
	}
	c := &l.Crowds[len(l.Crowds)-1]
	of := "of the crowd"
	if c.Kind == recipient.UnitProvider || c.Kind == recipient.UnitRelay {
		of += " at " + l.Domain
	}
	_, err := fmt.Fprintf(w, "If the addresses %s no longer exist:\n  %s\nIf it was an outage:\n  %s\n", of, c.Confirm, c.Release)
	return err
}
