package report

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/chart"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/table"
)

// Page arranges the digest. Its links are those of the web interface.
func (d *Digest) Page(zone table.Zone) *page.Page {
	p := page.New(d.name()+", "+span(d.First, d.Last),
		"against "+span(d.Before, d.from.AddDate(0, 0, -1).Format(time.DateOnly))+", days in UTC",
	)
	p.Add(d.needsSection(zone), d.numbersSection(), d.daysSection())
	if d.Provider == "" {
		p.Add(d.providersSection())
	}
	p.Add(d.reasonsSection(), d.newlyBadSection(zone), d.sendersSection(), d.incidentsSection(zone))
	if d.Provider != "" {
		p.Add(repliesSection("Replies", d.Replies).OrElse("No attempt failed."))
	}
	p.Add(d.unknownSection(), d.healthSection(zone))
	if p.Base = d.URL; d.URL != "" {
		pages := page.NewSection("Pages")
		pages.Say("%s", d.URL)
		p.Add(pages)
	}
	return p
}

// server names the server as it is shown.
func (d *Digest) server() string { return page.Shown(cmp.Or(d.Host, "This server"), 40) }

// name names what the digest is about.
func (d *Digest) name() string {
	if d.Provider != "" {
		return d.server() + ", " + d.Provider
	}
	return d.server()
}

// Subject is the subject of the report as a mail.
func (d *Digest) Subject() string {
	needs := "nothing needs you"
	if n := len(d.Needs); n > 0 {
		needs = text.Amount(n, "thing") + " " + text.Verb(n, "needs", "need") + " you"
	}
	return fmt.Sprintf("[bouncetail %s] %s, %s", d.name(), needs, text.Amount(int(d.NewlyBad.N), "newly bad address"))
}

// span writes days: 19 to 25 November 2026.
func span(first, last string) string {
	a, _ := time.Parse(time.DateOnly, first)
	b, _ := time.Parse(time.DateOnly, last)
	const day = "2 January 2006"
	switch {
	case first == last:
		return b.Format(day)
	case a.Year() != b.Year():
		return a.Format(day) + " to " + b.Format(day)
	case a.Month() != b.Month():
		return a.Format("2 January") + " to " + b.Format(day)
	}
	return a.Format("2") + " to " + b.Format(day)
}

func (d *Digest) needsSection(zone table.Zone) page.Section {
	s := page.NewSection("What needs you", "", "")
	if len(d.Needs) == 0 {
		s.Say("Nothing.")
	}
	for _, n := range d.Needs {
		s.Item("%s. Next: %s", strings.TrimSuffix(n.What, "."), n.Next)
	}
	if len(d.Needs) > 0 && d.now.After(d.to) {
		s.Note("That is as of %s.", zone.Head(zone.Short(bounce.Stamp(d.now))))
	}
	return s
}

func (d *Digest) numbersSection() page.Section {
	s := page.NewSection("Numbers", "", "count", "before", "change", "by day")
	by := []func(*query.Outcomes) int64{
		func(o *query.Outcomes) int64 { return o.Delivered }, func(o *query.Outcomes) int64 { return o.Deferred },
		func(o *query.Outcomes) int64 { return o.Bounced }, func(o *query.Outcomes) int64 { return o.Expired },
	}
	for i := range d.Numbers {
		n := &d.Numbers[i]
		s.Row(n.Name, n.N, n.Before, page.Delta{Share: n.Change}, page.Spark(lastDays(d.column(by[i]))))
	}
	s.Row("newly bad", d.NewlyBad.N, d.NewlyBad.Before, page.Delta{Share: d.NewlyBad.Change}, "")
	if last := d.Health.LastLine; d.nothing() && last != nil && !last.Before(d.to) {
		s.Note("No mail of these days is stored, but later mail is: bouncetail report --until now includes today.")
	}
	if d.Since != "" {
		s.Note("Attempts are counted by provider since %s.", d.Since)
	}
	return s
}

// nothing reports whether neither the span nor the one before has any mail.
func (d *Digest) nothing() bool {
	return !slices.ContainsFunc(d.Numbers, func(n Number) bool { return n.N+n.Before > 0 })
}

// lastDays cuts a line of days to what fits beside the numbers.
func lastDays(line []int64) []int64 { return line[max(0, len(line)-31):] }

// column returns a number of every day.
func (d *Digest) column(of func(*query.Outcomes) int64) []int64 {
	values := make([]int64, len(d.Days))
	for i := range d.Days {
		values[i] = of(&d.Days[i])
	}
	return values
}

func (d *Digest) daysSection() page.Section {
	s := page.NewSection("Days", "", "delivered", "deferred", "bounced", "expired", "not delivered")
	most := int64(1)
	for i := range d.Days {
		most = max(most, failed(&d.Days[i]))
	}
	for i := range d.Days {
		o := &d.Days[i]
		s.Row(dayLabel(o.Day), o.Delivered, o.Deferred, o.Bounced, o.Expired, page.Bar(float64(failed(o))/float64(most)))
	}
	s.Figures = d.figures()
	return s
}

// failed is the number of attempts that failed.
func failed(o *query.Outcomes) int64 { return o.Deferred + o.Bounced + o.Expired }

func dayLabel(day string) string {
	at, _ := time.Parse(time.DateOnly, day)
	return at.Format("Mon 2 Jan")
}

// figures draws the days.
func (d *Digest) figures() []template.HTML {
	var labels []string
	for i := range d.Days {
		labels = append(labels, dayLabel(d.Days[i].Day))
	}
	series := func(name string, of func(*query.Outcomes) int64) chart.Series {
		s := chart.Series{Name: name}
		for _, n := range d.column(of) {
			s.Values = append(s.Values, float64(n))
		}
		return s
	}
	worst := &query.Outcomes{}
	total := int64(0)
	for i := range d.Days {
		total += failed(&d.Days[i])
		if failed(&d.Days[i]) > failed(worst) {
			worst = &d.Days[i]
		}
	}
	desc := "No attempt failed."
	if total > 0 {
		desc = fmt.Sprintf(
			"%s of %s were on %s.",
			text.Thousands(failed(worst)), text.Amount(int(total), "failed attempt"), dayLabel(worst.Day),
		)
	}
	failures := chart.Chart{
		ID: "failures", Title: "Failed attempts by day", Desc: desc, Unit: "attempts", Labels: labels,
		Series: []chart.Series{
			series("deferred", func(o *query.Outcomes) int64 { return o.Deferred }),
			series("bounced", func(o *query.Outcomes) int64 { return o.Bounced }),
			series("expired", func(o *query.Outcomes) int64 { return o.Expired }),
		},
	}
	delivered := chart.Chart{
		ID:     "delivered",
		Title:  "Deliveries by day",
		Desc:   text.Thousands(d.Numbers[0].N) + " delivered.",
		Unit:   "deliveries",
		Labels: labels,
		Series: []chart.Series{series("delivered", func(o *query.Outcomes) int64 { return o.Delivered })},
	}
	return []template.HTML{delivered.Figure(delivered.Bars()), failures.Figure(failures.Bars())}
}

func (d *Digest) providersSection() page.Section {
	s := page.NewSection("Providers", "", "failed", "before", "change", "mostly")
	for i := range d.Providers {
		p := &d.Providers[i]
		s.Row(page.Link{Text: p.Name, Href: "providers/" + url.PathEscape(p.Name)}, p.N, p.Before, page.Delta{Share: p.Change}, p.Mostly)
	}
	return s.OrElse("No attempt failed.")
}

func (d *Digest) reasonsSection() page.Section {
	s := page.NewSection("Reasons", "", "", "failed", "before", "change", "")
	most := int64(1)
	for i := range d.Reasons {
		most = max(most, d.Reasons[i].N)
	}
	for i := range d.Reasons {
		r := &d.Reasons[i]
		s.Row(
			page.Link{Text: r.Name, Href: "recipients?reason=" + url.QueryEscape(r.Name)},
			string(r.Category),
			r.N,
			r.Before,
			page.Delta{Share: r.Change},
			page.Bar(float64(r.N)/float64(most)),
		)
	}
	return s.OrElse("No attempt failed.")
}

func (d *Digest) newlyBadSection(zone table.Zone) page.Section {
	s := page.NewSection("Newly bad addresses", "", "", "")
	n := &d.NewlyBad
	if n.N == 0 {
		s.Say("No address turned bad.")
		return s
	}
	var reasons []string
	for _, r := range n.Reasons {
		reasons = append(reasons, text.Thousands(r.N)+" "+r.Name)
	}
	s.Say("%s: %s.", text.Amount(int(n.N), "address"), strings.Join(reasons, ", "))
	for _, b := range n.Addresses {
		s.Row(
			page.Link{Text: b.Recipient, Href: "recipient?address=" + url.QueryEscape(b.Recipient)},
			string(b.Reason), zone.Short(b.Since),
		)
	}
	switch {
	case n.Hashed:
		s.Note("The addresses are stored as hashes and are not listed.")
	case len(n.Addresses) > 0 && int64(len(n.Addresses)) < n.N:
		s.Note("The last %d. All: bouncetail recipients --state bad%s", len(n.Addresses), d.flag())
	}
	return s
}

func (d *Digest) sendersSection() page.Section {
	s := page.NewSection("Senders", "", "failed", "bad address", "mostly")
	for i := range d.Senders {
		c := &d.Senders[i]
		s.Row(c.Name(), c.Failed, table.Share(float64(c.Suppress)/float64(c.Failed)), c.Mostly)
	}
	s.Sampled(d.Health.Sampled, "failures")
	return s.OrElse("No attempt failed.")
}

func (d *Digest) incidentsSection(zone table.Zone) page.Section {
	s := page.NewSection("Incidents", "", "what", "where", "addresses", "from ("+zone.Name()+")", "to")
	later := false
	for i := range d.Incidents {
		n := &d.Incidents[i]
		later = later || n.StartedAt >= bounce.Stamp(d.to)
		until := "open"
		if !n.Open() {
			until = zone.Short(n.LastAt)
		}
		s.Row(IncidentLink(d.Hosts, n.ID), What(&n.Incident), n.Subject, n.Addresses, zone.Short(n.StartedAt), until)
	}
	if later {
		s.Note("Those that are open are listed although they began after %s.", span(d.First, d.Last))
	}
	return s.OrElse("None.")
}

// IncidentLink names an incident, and leads to its page.
func IncidentLink(hosts []query.Host, id int64) page.Link {
	return page.Link{Text: query.IncidentName(hosts, id), Href: fmt.Sprintf("incidents/%d", id)}
}

func (d *Digest) unknownSection() page.Section {
	s := repliesSection("Unknown replies", d.Unknown)
	s.Sampled(d.Health.UnknownSampled, "unknown replies")
	return s.OrElse("Every reply is known to a rule.")
}

func repliesSection(title string, list []UnknownReply) page.Section {
	s := page.NewSection(title, "", "")
	for _, u := range list {
		s.Row(u.Count, u.Example)
	}
	return s
}

func (d *Digest) healthSection(zone table.Zone) page.Section {
	s := page.NewSection("Health", "", "")
	h := &d.Health
	if h.LastLine == nil {
		s.Say("No log was read yet.")
	} else {
		sentence := "The last line of the logs is of %s %s."
		if d.Hosts != nil { // which report when a log grew, and not what its last line says
			sentence = "A log of the hosts last grew at %s %s."
		}
		s.Say(sentence, h.LastLine.In(zone.Location).Format("2006-01-02 15:04"), zone.Name())
	}
	switch {
	case d.Hosts != nil:
		s.Note(
			"The figures are those of all hosts: bouncetail fleet status shows how current each is, bouncetail report on a host its webhooks.",
		)
	case !h.Followed:
		s.Say("No daemon has followed logs into this database.")
	case h.Trouble != "":
		s.Say("%s", h.Trouble)
	default:
		s.Say("The daemon reads the logs.")
	}
	for _, c := range []struct {
		n    int
		what string
	}{
		{h.Gaps, "lost parts of logs"},
		{h.Unparsed, "shapes of delivery lines that were not parsed"},
		{h.DeadLetters, "dead letters of webhooks"},
	} {
		if c.n > 0 {
			s.Row(c.n, c.what)
		}
	}
	if len(s.Rows) == 0 {
		s.Say("No part of a log was lost, and every delivery line was parsed.")
	}
	return s
}
