package web

import (
	"errors"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// senders lists the envelope senders by failures.
func senders(q *request) (*page.Page, error) {
	list, sampled, err := report.ReadSenders(q.Context(), q.r, "", q.now.AddDate(0, 0, -week), q.now, readTime)
	if err != nil {
		return nil, err
	}
	p := page.New("Senders", "envelope senders by failures in 7 days")
	s := page.NewSection("", "sender", "failed", "bad address", "mostly")
	for i := range list[:min(len(list), maxRows)] {
		c := &list[i]
		s.Row(c.Name(), c.Failed, table.Share(float64(c.Suppress)/float64(c.Failed)), c.Mostly)
	}
	s.Note("A high share of bad addresses means an old list.")
	s.Sampled(sampled, "failures")
	p.Add(s.OrElse("No attempt failed."))
	return p, nil
}

// unclassified lists the replies that no rule knows, with a rule to begin with.
func unclassified(q *request) (*page.Page, error) {
	list, sampled, err := report.ReadUnknown(q.Context(), q.r, q.now.AddDate(0, 0, -30), q.now, readTime)
	if err != nil {
		return nil, err
	}
	p := page.New("Unclassified", "replies that no rule knows, in 30 days")
	s := page.NewSection("", "count", "reply")
	for _, u := range list[:min(len(list), maxRows)] {
		s.Row(u.Count, u.Example)
	}
	s.Sampled(sampled, "unknown replies")
	p.Add(s.OrElse("Every reply is known to a rule."))
	if len(list) > 0 {
		rule := page.NewSection("A rule for the first")
		rule.Say("Complete it and save it in the directory of the setting rules. bouncetail rules check tests it.")
		rule.Code = page.Lines(classify.Draft(classify.Shape(list[0].Example), list[0].Example))
		p.Add(rule)
	}
	return p, nil
}

// weekly shows the report of any span.
func weekly(q *request) (*page.Page, error) {
	since, until := q.get("since"), q.get("until")
	if since == "" {
		since = "7d"
	}
	if until == "" {
		until = "today"
	}
	o := report.DigestOptions{Now: q.now, Addresses: 20, Time: readTime / 4, Provider: q.get("provider")}
	var err error
	if o.Since, err = when.Past(since, q.now.UTC()); err == nil {
		if o.Until, err = when.End(until, q.now.UTC()); err == nil {
			err = o.Check()
		}
	}
	if err != nil {
		return nil, badRequest(err.Error())
	}
	d, err := report.ReadDigest(q.Context(), q.r, o)
	if err != nil {
		return nil, err
	}
	p := d.Page(q.zone)
	form := page.NewSection("")
	form.Form = &page.Form{Action: "report", Fields: []page.Field{
		{Label: "Since", Name: "since", Value: since},
		{Label: "until", Name: "until", Value: until},
		{Label: "Provider", Name: "provider", Value: o.Provider},
	}}
	p.Sections = append([]page.Section{form}, p.Sections...)
	return p, nil
}

// health shows how well the logs are read.
func health(q *request) (*page.Page, error) {
	if q.r.IsFleet() {
		return fleetHealth(q)
	}
	p := page.New("Health", "")
	sources := page.NewSection("Logs", "path", "setting", "bytes read", "last grew ("+q.zone.Name()+")")
	read, err := q.r.Sources(q.Context(), 50)
	for _, s := range read {
		sources.Row(s.Path, s.Setting, s.Bytes, q.zone.Short(s.ReadAt))
	}
	gaps, gapsErr := q.r.Gaps(q.Context())
	unparsed, unparsedErr := q.r.Unparsed(q.Context())
	hooks, hooksErr := q.r.Hooks(q.Context())
	cursors, _, cursorsErr := q.r.Cursors(q.Context())
	if err := errors.Join(err, gapsErr, unparsedErr, hooksErr, cursorsErr); err != nil {
		return nil, err
	}
	p.Add(
		sources.OrElse("No log was read."), countsSection("Lost parts of logs", gaps),
		countsSection("Delivery lines that were not parsed", unparsed),
	)
	webhooks := page.NewSection("Webhooks", "name", "behind", "dead letters", "moved ("+q.zone.Name()+")", "trouble")
	for _, h := range hooks {
		trouble := ""
		if h.Trouble != nil {
			trouble = *h.Trouble
		}
		webhooks.Row(h.Name, h.Behind, h.DeadLetters, q.zone.ShortOf(h.MovedAt), trouble)
	}
	exports := page.NewSection("Exports", "cursor", "waiting", "moved ("+q.zone.Name()+")")
	for _, c := range cursors {
		exports.Row(c.Name, c.Waiting, q.zone.Short(c.MovedAt))
	}
	more := page.NewSection("More")
	more.Say(
		"This process sees the database only. bouncetail doctor examines the machine, and systemctl status bouncetail shows the daemon.",
	)
	p.Add(webhooks.OrElse("None."), exports.OrElse("None."), more)
	return p, nil
}

// fleetHealth shows how current the figures of each host are.
func fleetHealth(q *request) (*page.Page, error) {
	p := page.New("Health", "the hosts of the fleet")
	s := page.NewSection("Hosts", "host", "seen", "behind", "last grew ("+q.zone.Name()+")", "")
	hosts, err := q.r.Hosts(q.Context())
	for i := range hosts {
		h := &hosts[i]
		line := ""
		if h.LastLine != nil {
			line = q.zone.Short(bounce.Stamp(*h.LastLine))
		}
		s.Row(h.Name, text.Age(time.Duration(h.SeenAgo)*time.Second)+" ago", h.Behind, line, h.Problem())
	}
	gaps, gapsErr := q.r.Gaps(q.Context())
	s.Note("Logs, webhooks and exports are shown by the page of each host.")
	p.Add(s.OrElse("No host has sent anything yet."), countsSection("Lost parts of logs", gaps))
	return p, errors.Join(err, gapsErr)
}

func countsSection(title string, counts []query.Count) page.Section {
	s := page.NewSection(title, "count", "")
	for _, c := range counts[:min(len(counts), maxRows)] {
		s.Row(c.N, c.Name)
	}
	return s.OrElse("None.")
}

// settings lists the settings that hold.
func settings(q *request) (*page.Page, error) {
	p := page.New("Settings", "as this process has read them; secrets are not shown")
	s := page.NewSection("", "key", "value")
	for _, set := range q.site.Settings {
		s.Row(set.Key, set.Value)
	}
	p.Add(s)
	return p, nil
}
