package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// recipients lists addresses in the order of their spelling.
func recipients(q *request) (*page.Page, error) {
	b := browseOf(q.Request, maxRows+1)
	b.Time = readTime
	p := page.New("Recipients", "addresses that ever failed, by spelling")
	s := page.NewSection("", "address", "state", "reason", "last failure ("+q.zone.Name()+")", "reply")
	reasonNames := []string{""}
	for _, r := range bounce.Reasons {
		reasonNames = append(reasonNames, string(r.Reason))
	}
	s.Form = &page.Form{Action: "recipients", Fields: []page.Field{
		{Label: "Address", Name: "match", Value: b.Match},
		{Label: "Domain", Name: "domain", Value: b.Domain},
		{Label: "State", Name: "state", Value: b.State, Options: []string{"", "bad", "suspect", "failing", "ok"}},
		{Label: "Reason", Name: "reason", Value: b.Reason, Options: reasonNames},
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

// browseOf returns the recipients that a request chooses.
func browseOf(r *http.Request, limit int) query.Browse {
	get := r.URL.Query().Get
	return query.Browse{State: get("state"), Domain: strings.ToLower(get("domain")), Reason: get("reason"), Match: get("match"), After: get("after"), Limit: limit}
}

// valuesOf returns the parameters that choose recipients.
func valuesOf(b *query.Browse) url.Values {
	values := url.Values{}
	for name, value := range map[string]string{"match": b.Match, "domain": b.Domain, "state": b.State, "reason": b.Reason} {
		if value != "" {
			values.Set(name, value)
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
	row, known, err := q.r.Recipient(q.Context(), to.Normal)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, notFound(fmt.Sprintf("%s has not failed in what was read so far, or is spelled otherwise.", given))
	}
	h, err := report.ReadHistory(q.Context(), q.r, to, &row, 50, table.Zone{Location: q.zone.Location}, q.now)
	if err != nil {
		return nil, err
	}
	p := page.New(row.Recipient, "")
	if _, err := address.Given(row.Recipient); err == nil && q.site.mayWrite(q.by) == nil {
		p.Add(q.choices(h))
	}
	p.Add(h.Sections()...)
	s := page.NewSection("On the command line")
	s.Code = page.Lines("bouncetail explain " + shellQuote(row.Recipient))
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
		add(decideLink("Take the decision back", unset, h.Recipient.Recipient))
	}
	if h.State == bounce.StateSuspect && len(h.Crowds) > 0 {
		refusals, _ := h.Crowds[len(h.Crowds)-1].Refusals(h.Domain, q.now)
		add(markLink("Confirm that the addresses of the crowd are gone", "confirm", refusals))
		add(markLink("Release the crowd: it was an outage", "release", refusals))
	}
	return s
}

// shellQuote returns a text as a shell takes it.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@.-_+", r)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) || strings.HasPrefix(s, "-") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
