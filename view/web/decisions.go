package web

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
)

// decisions lists the manual decisions, and the crowds that wait for one.
func decisions(q *request) (*page.Page, error) {
	p := page.New("Decisions", "what was decided by hand, and what waits for it")
	writable := q.site.mayWrite(q.by) == nil
	crowds, err := q.crowds(writable)
	if err != nil {
		return nil, err
	}
	addresses, err := q.decided(writable)
	if err != nil {
		return nil, err
	}
	releases, err := q.r.Releases(q.Context())
	if err != nil {
		return nil, err
	}
	confirms, err := q.r.Confirms(q.Context())
	p.Add(
		crowds, addresses, q.marked("Outages that were released", recipient.KindRelease, releases, writable),
		q.marked("Crowds that were confirmed", recipient.KindConfirm, confirms, writable),
	)
	return p, err
}

// crowds lists the crowds of a month.
func (q *request) crowds(writable bool) (page.Section, error) {
	s := page.NewSection(
		"Crowds of refused addresses, in 30 days", "where", "from ("+q.zone.Name()+")", "to", "addresses",
		"they are gone", "it was an outage",
	)
	all, err := report.ReadCrowds(q.Context(), q.r, bounce.Stamp(q.now.AddDate(0, 0, -30)), q.now)
	slices.Reverse(all) // the last first
	for i := range all[:min(len(all), maxRows)] {
		c := &all[i]
		var confirm, release any = c.Confirm, c.Release
		if writable {
			refusals, _ := c.Refusals("", q.now)
			confirm, release = markLink("Confirm", recipient.KindConfirm, refusals), markLink("Release", recipient.KindRelease, refusals)
		}
		s.Row(c.Where(), q.zone.Short(c.StartedAt), q.zone.Short(c.EndedAt), c.Addresses, confirm, release)
	}
	if len(all) > 0 {
		s.Note(
			"A crowd makes addresses suspect, since it may be an outage of the other side. Those of a provider are decided on by domain.",
		)
	}
	return s.OrElse("None."), err
}

// errEnough ends a list.
var errEnough = errors.New("enough")

// decided lists the decisions about addresses.
func (q *request) decided(writable bool) (page.Section, error) {
	s := page.NewSection("Addresses", "address", "decision", "since ("+q.zone.Name()+")", "until", "why", "")
	err := q.r.Decisions(q.Context(), false, func(d *recipient.Decision) error {
		if len(s.Rows) == maxRows {
			s.Note("The last %d.", maxRows)
			return errEnough
		}
		var back any = ""
		if _, err := address.Given(d.Recipient); err == nil && writable {
			back = decideLink("Take back", recipient.Unset, d.Recipient)
		}
		s.Row(recipientLink(d.Recipient), d.Decision, q.zone.Short(d.DecidedAt), q.zone.ShortOf(d.Until), page.Shown(d.Note, 200), back)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if writable {
		s.Links = append(s.Links, page.Link{Text: "Decide about an address", Href: "decide"})
	}
	return s.OrElse("Nothing was decided."), err
}

// marked lists releases or confirmations, the last first.
func (q *request) marked(title, kind string, all []recipient.Release, writable bool) page.Section {
	s := page.NewSection(title, "number", "failures", "decided ("+q.zone.Name()+")", "why", "")
	slices.Reverse(all)
	for i := range all[:min(len(all), maxRows)] {
		r := &all[i]
		var back any = ""
		switch {
		case r.WithdrawnAt != nil:
			back = "taken back " + q.zone.Short(*r.WithdrawnAt)
		case writable:
			back = page.Link{Text: "Take back", Href: "mark?" + parameters("kind", kind, "undo", fmt.Sprint(r.ID)).Encode()}
		}
		var words []string
		for _, word := range of(r, q.zone.Short) {
			words = append(words, strings.Join(word[:], " "))
		}
		s.Row(fmt.Sprint(r.ID), strings.Join(words, ", "), q.zone.Short(r.ReleasedAt), page.Shown(r.Note, 200), back)
	}
	return s.OrElse("None.")
}
