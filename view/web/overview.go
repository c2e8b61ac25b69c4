package web

import (
	"fmt"
	"net/url"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/chart"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
)

// overview shows how the mail is doing.
func overview(q *request) (*page.Page, error) {
	s, err := report.ReadStatus(q.Context(), q.r, q.now)
	if err != nil {
		return nil, err
	}
	const days = 14
	today := q.now.UTC()
	from := today.AddDate(0, 0, 1-days)
	counts, err := q.r.OutcomesOf(q.Context(), from.Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	p := page.New("Overview", s.Headline(q.now))
	needs := page.NewSection("What needs you", "", "", "")
	for i := range s.Yours {
		y := &s.Yours[i]
		link := report.IncidentLink(s.Hosts, y.ID)
		if link.Text = report.What(&y.Incident) + at(y.Subject); s.Hosts != nil {
			link.Text = query.IncidentName(s.Hosts, y.ID) + ": " + link.Text
		}
		needs.Row(link, text.Amount(y.Attempts, "failure")+" since "+q.zone.Short(y.StartedAt), y.Advice)
	}
	if n := s.States[string(bounce.StateSuspect)]; n > 0 {
		needs.Row(
			page.Link{Text: text.Amount(n, "suspect address"), Href: "recipients?state=suspect"}, "",
			page.Link{Text: "Confirm or release", Href: "decisions"},
		)
	}
	if s.Gaps > 0 {
		needs.Row(page.Link{Text: text.Amount(s.Gaps, "lost part") + " of logs", Href: "health"}, "", "")
	}
	numbers := page.NewSection("Attempts (days in UTC)", "", "delivered", "deferred", "bounced")
	for _, d := range []struct {
		name string
		day  query.Day
	}{{"today", s.Today}, {"yesterday", s.Previous}, {"30 days", s.Month}} {
		numbers.Row(d.name, d.day.Delivered, d.day.Deferred, d.day.Bounced)
	}
	addresses := page.NewSection("Addresses", "", "")
	addresses.Row(page.Link{Text: "bad", Href: "recipients?state=bad"}, s.States["bad"])
	addresses.Row("turned bad today", s.NewBad)
	for _, state := range []string{"suspect", "failing", "ok"} {
		addresses.Row(page.Link{Text: state, Href: "recipients?state=" + state}, s.States[state])
	}
	day, err := q.halfHours()
	if err != nil {
		return nil, err
	}
	fourteen := failuresSection(counts, from, days)
	for _, s := range []*page.Section{&numbers, &addresses, &day, &fourteen} {
		s.Half = true
	}
	p.Add(needs.OrElse("Nothing."), numbers, addresses, day, fourteen)
	return p, nil
}

func at(with string) string {
	if with == "" {
		return ""
	}
	return " at " + with
}

// failuresSection draws the failures of a number of days.
func failuresSection(counts []query.Outcomes, from time.Time, days int) page.Section {
	c := chart.Chart{
		ID:     "days",
		Title:  "Failed attempts by day.",
		Unit:   "attempts",
		Series: []chart.Series{{Name: "deferred"}, {Name: "bounced"}, {Name: "expired"}},
	}
	byDay := make(map[string]query.Outcomes)
	for _, o := range counts {
		byDay[o.Day] = o
	}
	total := int64(0)
	for i := range days {
		day := from.AddDate(0, 0, i)
		o := byDay[day.Format(time.DateOnly)]
		c.Labels = append(c.Labels, day.Format("Mon 2 Jan"))
		for k, n := range []int64{o.Deferred, o.Bounced, o.Expired} {
			c.Series[k].Values = append(c.Series[k].Values, float64(n))
			total += n
		}
	}
	c.Desc = fmt.Sprintf("%s in %d days.", text.Amount(int(total), "failed attempt"), days)
	s := page.NewSection(fmt.Sprintf("%d days", days))
	s.Figures = append(s.Figures, c.Figure(c.Bars()))
	return s
}

// recipientLink leads to the page of an address.
func recipientLink(address string) page.Link {
	return page.Link{Text: address, Href: "recipient?address=" + url.QueryEscape(address)}
}

// reasonLink leads to the addresses that failed for a reason.
func reasonLink(reason bounce.Reason) page.Link {
	return page.Link{Text: string(reason), Href: "recipients?reason=" + url.QueryEscape(string(reason))}
}

// providerLink leads to the page of a provider.
func providerLink(name string) page.Link {
	return page.Link{Text: name, Href: "providers/" + url.PathEscape(name)}
}
