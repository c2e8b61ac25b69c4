package web

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/text"
	stored "github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/chart"
	"github.com/bouncetail/bouncetail/view/metrics"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
)

// incidents lists what hit many addresses at once.
func incidents(q *request) (*page.Page, error) {
	hosts, err := q.r.Hosts(q.Context())
	if err != nil {
		return nil, err
	}
	found, err := q.listed(stored.Filter{Since: bounce.Stamp(q.now.AddDate(0, 0, -week)), Addresses: 10})
	if err != nil {
		return nil, err
	}
	p := page.New("Incidents", "your own problems, and what hit 10 addresses or more at once, in 7 days")
	s := page.NewSection("", "number", "what", "where", "failures", "addresses", "from ("+q.zone.Name()+")", "to", "reply", "what to do")
	for i := range found[:min(len(found), maxRows)] {
		n := &found[i]
		what := any(report.What(&n.Incident))
		if what == string(n.Reason) && n.Reason != incident.Mixed {
			what = reasonLink(n.Reason)
		}
		s.Row(
			report.IncidentLink(hosts, query.IncidentID(hosts, n.Instance, n.ID)),
			what,
			report.Where(n),
			n.Attempts,
			n.Addresses,
			q.zone.Short(n.StartedAt),
			q.end(&n.Incident),
			page.Shown(n.Reply, 300),
			n.Advice,
		)
	}
	p.Add(s.OrElse("None."))
	return p, nil
}

// end returns when an incident ended.
func (q *request) end(i *incident.Incident) string {
	if i.Open() {
		return "open"
	}
	return q.zone.Short(i.LastAt)
}

// oneIncident shows one incident.
func oneIncident(q *request) (*page.Page, error) {
	id, err := strconv.ParseInt(q.PathValue("id"), 10, 64)
	if err != nil {
		return nil, notFound("An incident has a number.")
	}
	hosts, err := q.r.Hosts(q.Context())
	if err != nil {
		return nil, err
	}
	host, number := query.IncidentOf(hosts, id)
	d, err := q.details(host, number)
	if errors.Is(err, stored.ErrNone) {
		return nil, notFound(fmt.Sprintf("There is no incident %s.", strings.TrimPrefix(query.IncidentName(hosts, id), "#")))
	} else if err != nil {
		return nil, err
	}
	link := func(host string, number int64) page.Link {
		return report.IncidentLink(hosts, query.IncidentID(hosts, host, number))
	}
	p := page.New(query.IncidentName(hosts, id)+" "+report.Title(&d.Incident), "")
	s := page.NewSection("", "", "")
	s.Row("from", q.zone.Short(d.StartedAt)+" "+q.zone.Name())
	s.Row("to", q.end(&d.Incident))
	s.Row("failures", d.Attempts)
	s.Row("addresses", d.Addresses)
	s.Row("domains", d.Domains)
	s.Row("what to do", d.Advice)
	if d.PartOf != 0 {
		s.Row("part of", link(d.Instance, d.PartOf))
	}
	for _, part := range d.Parts {
		s.Row("includes", link(d.Instance, part))
	}
	for _, other := range d.Others {
		if name, number, err := stored.ParseName(other, true); err == nil {
			s.Row("at another host", link(name, number))
		}
	}
	if d.Since != "" {
		s.Note("Hours, replies, senders and addresses are those of its failures since %s %s.", q.zone.Short(d.Since), q.zone.Name())
	}
	p.Add(s)
	if len(d.Hours) > 1 {
		p.Add(q.incidentHours(d.Hours))
	}
	states := page.NewSection("Its addresses now", "state", "addresses")
	for _, c := range d.States {
		states.Row(page.Link{Text: c.Name, Href: "recipients?state=" + c.Name}, c.N)
	}
	senders := countSection("Senders", "sender", d.Senders)
	states.Half, senders.Half = true, true
	p.Add(countSection("Replies", "reply", d.Replies), senders, states.OrElse("Not known."))
	return p, nil
}

// listed returns the incidents that a filter chooses.
func (q *request) listed(f stored.Filter) ([]stored.Shown, error) {
	if q.site.Fleet == nil {
		return stored.List(q.Context(), q.r.Querier(), f)
	}
	r, err := q.site.Fleet(q.Context())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Incidents(q.Context(), f)
}

// details returns an incident of a host of a fleet, or of the database of this host.
func (q *request) details(host *query.Host, number int64) (*stored.Details, error) {
	if q.site.Fleet == nil {
		return stored.Get(q.Context(), q.r.Querier(), number, readTime/2)
	}
	if host == nil {
		return nil, stored.ErrNone
	}
	r, err := q.site.Fleet(q.Context())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Incident(q.Context(), host.Name, number)
}

func countSection(title, of string, counts []stored.Count) page.Section {
	s := page.NewSection(title, of, "failures")
	for _, c := range counts {
		s.Row(c.Name, c.N)
	}
	return s.OrElse("Not known.")
}

// incidentHours draws the failures of an incident by hour, at most a week of them.
func (q *request) incidentHours(hours []stored.Count) page.Section {
	const layout, most = "2006-01-02T15", 7 * 24
	counts := make(map[string]int)
	total := 0
	for _, h := range hours {
		counts[h.Name] = h.N
		total += h.N
	}
	c := chart.Chart{ID: "hours", Title: "Failures by hour.", Unit: "failures", Series: []chart.Series{{Name: "failures"}}}
	last, _ := time.Parse(layout, hours[len(hours)-1].Name) // of the database
	first, _ := time.Parse(layout, hours[0].Name)
	if earliest := last.Add(-(most - 1) * time.Hour); first.Before(earliest) {
		first = earliest
	}
	for at := first; !at.After(last); at = at.Add(time.Hour) {
		c.Labels = append(c.Labels, at.In(q.zone.Location).Format("Mon 15:04"))
		c.Series[0].Values = append(c.Series[0].Values, float64(counts[at.Format(layout)]))
	}
	c.Desc = fmt.Sprintf("%s in all.", text.Amount(total, "failure"))
	s := page.NewSection("By hour (" + q.zone.Name() + ")")
	s.Figures = append(s.Figures, c.Figure(c.Bars()))
	return s
}

// serveMetrics answers with metrics for Prometheus. They are those of a host.
func (s *Site) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if s.Fleet != nil {
		http.Error(w, "Metrics are those of a host: ask its pages.", http.StatusNotFound)
		return
	}
	reader, err := s.Open(r.Context())
	var body bytes.Buffer
	if err == nil {
		defer reader.Close()
		err = metrics.Write(r.Context(), metrics.Source{
			DB:      reader.Querier(),
			Path:    s.Database,
			Version: s.Version,
			Compat:  s.Compat,
		}, &body, "text")
	}
	if err != nil {
		s.Log.Error("cannot write metrics", "error", err)
		http.Error(w, "The metrics cannot be read.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(body.Bytes()) // the client may have gone
}
