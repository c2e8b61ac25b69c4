package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// recipients lists addresses in the order of their spelling.
func recipients(q *request) (*page.Page, error) {
	b, err := browseOf(q.Request, maxRows+1)
	if err != nil {
		return nil, err
	}
	b.Time = readTime
	p := page.New("Recipients", "addresses that ever failed, by spelling")
	s := page.NewSection("", "address", "state", "reason", "last failure ("+q.zone.Name()+")", "reply")
	s.Form = &page.Form{Action: "recipients", Fields: []page.Field{
		{Label: "Address", Name: "match", Value: b.Match},
		{Label: "Domain", Name: "domain", Value: b.Domain},
		{Label: "State", Name: "state", Value: b.State, Options: append([]string{""}, filter.States...)},
		{Label: "Reason", Name: "reason", Value: b.Reason, Options: append([]string{""}, filter.Reasons()...)},
	}}
	list, looked, err := q.r.Browse(q.Context(), b)
	if err != nil {
		return nil, err
	}
	for i := range list[:min(len(list), maxRows)] {
		r := &list[i]
		s.Row(recipientLink(r.Recipient), page.State(r.State), string(r.Reason), q.zone.ShortOf(r.LastFailureAt), page.Shown(r.Reply, 200))
	}
	more := "Next"
	if len(list) > maxRows {
		looked = list[maxRows-1].Recipient
	} else if looked != "" {
		more = "Search on"
		s.Note("Not all addresses were looked through, because there are many: only those up to %s.", looked)
	} else {
		s = s.OrElse("No address.")
	}
	if looked != "" {
		next := valuesOf(&b)
		next.Set("after", looked)
		s.More = &page.Cell{Text: more, Href: "recipients?" + next.Encode()}
	}
	if (len(list) > 0 || looked != "") && q.site.CSV != nil {
		s.Links = append(s.Links, page.Link{Text: "All of them as CSV", Href: "recipients.csv?" + valuesOf(&b).Encode()})
	}
	p.Add(s)
	return p, nil
}

// chosen are the parameters that choose recipients. Those without values take any text.
var chosen = []struct {
	name   string
	values []string
}{{"match", nil}, {"domain", nil}, {"state", filter.States}, {"reason", filter.Reasons()}, {"after", nil}}

// browseOf returns the recipients that a request chooses. A parameter with a typing error
// is an error: without it, all recipients or none would be chosen.
func browseOf(r *http.Request, limit int) (query.Browse, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query.Browse{}, badRequest("The parameters cannot be read: " + text.Printable(err.Error()) + ".")
	}
	var names []string
	for _, c := range chosen {
		names = append(names, c.name)
		if len(given[c.name]) > 1 {
			return query.Browse{}, badRequest("Give the parameter " + c.name + " once" + oneOf(c.values) + ".")
		}
		if value := given.Get(c.name); value != "" && c.values != nil && !slices.Contains(c.values, value) {
			return query.Browse{}, badRequest(fmt.Sprintf(
				"The parameter %s cannot be %.80q. Give it once%s.",
				c.name, value, oneOf(c.values),
			))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			return query.Browse{}, badRequest(fmt.Sprintf("There is no parameter %.80q; there are %s.", name, strings.Join(names, ", ")))
		}
	}
	return query.Browse{
		State:  given.Get("state"),
		Domain: address.Domain(given.Get("domain")),
		Reason: given.Get("reason"),
		Match:  given.Get("match"),
		After:  given.Get("after"),
		Limit:  limit,
	}, nil
}

// oneOf continues a sentence with the values of a parameter, if they are known.
func oneOf(values []string) string {
	if values == nil {
		return ""
	}
	return ", with one of the values " + strings.Join(values, ", ")
}

// valuesOf returns the parameters that choose recipients.
func valuesOf(b *query.Browse) url.Values {
	return parameters("match", b.Match, "domain", b.Domain, "state", b.State, "reason", b.Reason)
}

// parameters returns the parameters of a link, from names and values. Empty values are
// left out.
func parameters(pairs ...string) url.Values {
	values := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			values.Set(pair[0], pair[1])
		}
	}
	return values
}

// oneRecipient shows what happened to an address, and why it is in its state.
func oneRecipient(q *request) (*page.Page, error) {
	given := strings.TrimSpace(q.get("address"))
	if given == "" {
		return nil, badRequest("Name an address: recipient?address=jane@example.com")
	}
	to := address.Parse(given)
	if stored, err := q.site.Stored(q.Context(), q.r, to); err == nil {
		to = stored
	}
	from, flag := addressReader(q.r), ""
	if q.site.Fleet != nil {
		fleet, err := q.site.Fleet(q.Context())
		if err != nil {
			return nil, err
		}
		defer fleet.Close()
		from, flag = fleet, " --fleet"
	}
	row, known, err := from.Recipient(q.Context(), to.Normal)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, notFound(fmt.Sprintf("%s has not failed in what was read so far, or is spelled otherwise.", given))
	}
	h, err := report.ReadHistory(q.Context(), from, to, &row, 50, table.Zone{Location: q.zone.Location}, q.now)
	if err != nil {
		return nil, err
	}
	p := page.New(row.Recipient, "")
	if _, err := address.Given(row.Recipient); err == nil && q.site.mayWrite(q.by) == nil {
		p.Add(q.choices(h))
	}
	p.Add(h.Sections()...)
	s := page.NewSection("On the command line")
	s.Code = page.Lines("bouncetail explain " + text.ShellQuote(row.Recipient) + flag)
	p.Add(s)
	return p, nil
}

// choices links what may be decided about an address.
func (q *request) choices(h *report.History) page.Section {
	s := page.NewSection("")
	add := func(link page.Link) { s.Links = append(s.Links, link) }
	add(decideLink("Allow", recipient.Allow, h.Recipient.Recipient))
	add(decideLink("Block", recipient.Block, h.Recipient.Recipient))
	if h.DecidedBy == bounce.ByHand {
		add(decideLink("Take the decision back", recipient.Unset, h.Recipient.Recipient))
	}
	if h.State == bounce.StateSuspect && len(h.Crowds) > 0 {
		refusals, _ := h.Crowds[len(h.Crowds)-1].Refusals(h.Domain, q.now)
		add(markLink("Confirm that the addresses of the crowd are gone", recipient.KindConfirm, refusals))
		add(markLink("Release the crowd: it was an outage", recipient.KindRelease, refusals))
	}
	return s
}
