package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/table"
)

const (
	// maxRows is the length of a list.
	maxRows = 200
	// week is the span of most pages, in days.
	week = 7
)

// reasonCounts returns the failures of the last days, today included, against as many
// days before.
func (q *request) reasonCounts(days int) ([]query.ReasonCount, error) {
	to := q.now.UTC().AddDate(0, 0, 1)
	day := func(back int) string { return to.AddDate(0, 0, -back).Format(time.DateOnly) }
	return q.r.ReasonCounts(q.Context(), day(2*days), day(days), day(0))
}

// sums are failures that were added up.
type sums struct {
	name     string
	category bounce.Category
	reason   bounce.Reason
	n        int
	before   int
	most     int    // of the most frequent reason
	mostly   string // that reason
}

// gather adds up failures by the name that the function returns, the most frequent first.
func gather(counts []query.ReasonCount, name func(*query.ReasonCount) string) []sums {
	byName := make(map[string]*sums)
	for i := range counts {
		c := &counts[i]
		s := byName[name(c)]
		if s == nil {
			s = &sums{name: name(c), category: c.Category, reason: c.Reason}
			byName[s.name] = s
		}
		s.n, s.before = s.n+c.Failures, s.before+c.Before
		if c.Failures > s.most {
			s.most, s.mostly = c.Failures, string(c.Category)+" / "+string(c.Reason)
		}
	}
	var all []sums
	for _, s := range byName {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b sums) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(b.before, a.before), cmp.Compare(a.name, b.name))
	})
	return all[:min(len(all), maxRows)]
}

// delta is the change from one number to another.
func delta(n, before int) page.Delta {
	if before == 0 {
		return page.Delta{}
	}
	share := float64(n-before) / float64(before)
	return page.Delta{Share: &share}
}

// providers lists the providers by failures.
func providers(q *request) (*page.Page, error) {
	counts, err := q.reasonCounts(week)
	if err != nil {
		return nil, err
	}
	traffics, err := q.traffics()
	if err != nil {
		return nil, err
	}
	days, err := q.failedDays()
	if err != nil {
		return nil, err
	}
	usual, err := q.r.UsualRefusals(q.Context())
	if err != nil {
		return nil, err
	}
	p := page.New("Providers", "7 days with today, against the 7 days before; days in UTC")
	s := page.NewSection("", "provider", "failed", "before", "change", "14 days", "mostly", "delivered in 24 h", "refused", "usual")
	for _, n := range gather(counts, func(c *query.ReasonCount) string { return c.Provider }) {
		t := traffics[n.name]
		if t == nil {
			t = &traffic{}
		}
		var usually any = ""
		if share, known := usual[n.name]; known {
			usually = table.Share(share)
		}
		if days[n.name] == nil {
			days[n.name] = make(page.Spark, windowDays)
		}
		s.Row(providerLink(n.name), n.n, n.before, delta(n.n, n.before), days[n.name], n.mostly, t.sent, share(t.refused, t.tried), usually)
	}
	s.Note(
		"Refused are first attempts that failed for a reason that is not the recipient's. Deliveries are counted by provider since the version that has this page.",
	)
	p.Add(s.OrElse("No attempt failed."))
	return p, nil
}

// provider shows one provider.
func provider(q *request) (*page.Page, error) {
	name := q.PathValue("name")
	counts, err := q.reasonCounts(week)
	if err != nil {
		return nil, err
	}
	counts = slices.DeleteFunc(counts, func(c query.ReasonCount) bool { return c.Provider != name })
	if len(counts) == 0 {
		return nil, notFound(fmt.Sprintf("No attempt failed at %q in 14 days.", name))
	}
	p := page.New(name, "7 days with today, against the 7 days before; days in UTC")
	p.Add(reasonsSection("Reasons", counts))
	replies, err := q.replies(name)
	if err != nil {
		return nil, err
	}
	hours, err := q.hours(name)
	if err != nil {
		return nil, err
	}
	days, err := q.reasonDays(name)
	if err != nil {
		return nil, err
	}
	replies.Links = append(replies.Links, page.Link{Text: "Report of this provider", Href: "report?provider=" + url.QueryEscape(name)})
	p.Add(days, hours, replies)
	return p, nil
}

// replies lists the last distinct replies of a provider.
func (q *request) replies(name string) (page.Section, error) {
	const shown = 20
	s := page.NewSection("Last replies", "count", "last ("+q.zone.Name()+")", "reason", "reply")
	type reply struct {
		query.ProviderReply
		n int
	}
	var order []*reply
	byShape := make(map[string]*reply)
	since, until := bounce.Stamp(q.now.AddDate(0, 0, -week)), bounce.Stamp(q.now.AddDate(0, 0, 1))
	err := q.r.ProviderReplies(q.Context(), name, since, until, query.Bound{Time: readTime / 2}, func(r *query.ProviderReply) {
		shape := classify.Shape(r.Reply)
		if byShape[shape] == nil {
			byShape[shape] = &reply{ProviderReply: *r}
			order = append(order, byShape[shape])
		}
		byShape[shape].n++
	})
	for _, r := range order[:min(len(order), shown)] {
		s.Row(r.n, q.zone.Short(r.At), reasonLink(r.Reason), r.Reply)
	}
	return s.OrElse("None among the last failures."), err
}

// reasonsSection lists reasons by failures.
func reasonsSection(title string, counts []query.ReasonCount) page.Section {
	s := page.NewSection(title, "category", "reason", "failed", "before", "change", "what to do")
	for _, n := range gather(counts, func(c *query.ReasonCount) string { return string(c.Category) + " " + string(c.Reason) }) {
		s.Row(string(n.category), reasonLink(n.reason), n.n, n.before, delta(n.n, n.before), n.reason.Advice())
	}
	return s.OrElse("No attempt failed.")
}

// reasons lists the reasons of a month.
func reasons(q *request) (*page.Page, error) {
	counts, err := q.reasonCounts(30)
	if err != nil {
		return nil, err
	}
	p := page.New("Reasons", "30 days with today, against the 30 days before; days in UTC")
	p.Add(reasonsSection("", counts))
	return p, nil
}
