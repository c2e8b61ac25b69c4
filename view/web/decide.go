package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
)

// verb is a decision about an address in words.
type verb struct{ title, button, effect, done string }

var verbs = map[string]verb{
	recipient.Allow: {
		"Allow %s?", "Allow",
		"It counts as ok, whatever the log says, until that is taken back or ends.",
		"%s is allowed.",
	},
	recipient.Block: {
		"Block %s?", "Block",
		"It counts as bad, whatever the log says, until that is taken back or ends.",
		"%s is blocked.",
	},
	recipient.Unset: {
		"Take back the decision on %s?", "Take back",
		"Its state follows from the log again.",
		"The decision on %s is taken back.",
	},
}

// decideLink leads to the page that asks for a decision about an address.
func decideLink(says, decision, about string) page.Link {
	return page.Link{Text: says, Href: "decide?" + parameters("address", about, "decision", decision).Encode()}
}

// decide asks to confirm a decision.
func decide(q *request) (*page.Page, error) {
	if err := q.site.mayWrite(q.by); err != nil {
		return nil, err
	}
	given, decision := strings.TrimSpace(q.get("address")), q.get("decision")
	v, known := verbs[decision]
	if given == "" || !known {
		p := page.New("Decide about an address", "")
		s := page.NewSection("")
		s.Form = &page.Form{Action: "decide", Button: "Next", Fields: []page.Field{
			{Label: "Address", Name: "address", Value: given},
			{Label: "Decision", Name: "decision", Value: decision, Options: []string{recipient.Allow, recipient.Block, recipient.Unset}},
		}}
		p.Add(s)
		return p, nil
	}
	to, err := address.Given(given)
	if err != nil {
		return nil, badRequest(sentence(err))
	}
	p := page.New(fmt.Sprintf(v.title, to.Normal), "")
	s := page.NewSection("")
	if err := q.sayState(&s, to); err != nil {
		return nil, err
	}
	s.Say("%s", v.effect)
	s.Form = &page.Form{Action: "decide", Token: q.form(), Button: v.button, Fields: hidden("address", to.Normal, "decision", decision)}
	if decision != recipient.Unset {
		s.Form.Fields = append(
			s.Form.Fields, page.Field{Label: "Why", Name: "note"},
			page.Field{Label: "Until, such as 30d or 2026-12-31 (empty: no end)", Name: "until"},
		)
		s.Note("Your name is kept with it. Exports, cursors and maps see it as any other change.")
	}
	p.Add(s)
	return p, nil
}

// sayState adds a sentence about the state of an address.
func (q *request) sayState(s *page.Section, to bounce.Address) error {
	if stored, err := q.site.Stored(q.Context(), q.r, to); err == nil {
		to = stored
	}
	row, known, err := q.r.Recipient(q.Context(), to.Normal)
	switch {
	case err != nil:
		return err
	case !known:
		s.Say("It has not failed in what was read so far. Check the spelling.")
	case row.Reason != "":
		s.Say("It is %s now: %s.", row.State, row.Reason)
	default:
		s.Say("It is %s now.", row.State)
	}
	return nil
}

// decide makes a decision.
func (s *Site) decide(w http.ResponseWriter, r *http.Request) {
	by := visitorOf(r).user
	d := Decision{Decision: r.PostForm.Get("decision"), By: by}
	v, known := verbs[d.Decision]
	var err error
	if d.Address, err = address.Given(r.PostForm.Get("address")); err != nil || !known {
		s.fail(w, r, noPage, http.StatusBadRequest, "Name an address and one of allow, block, unset.")
		return
	}
	if d.Decision != recipient.Unset {
		d.Note = noted(r.PostForm.Get("note"), by)
		if until := strings.TrimSpace(r.PostForm.Get("until")); until != "" {
			if d.Until, err = when.Future(until, time.Now().In(s.Zone.Location)); err != nil {
				s.fail(w, r, noPage, http.StatusBadRequest, "Until: "+err.Error()+". Nothing was changed.")
				return
			}
		}
	}
	changes, err := s.Writer.Decide(r.Context(), d)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.done(
		w, r, fmt.Sprintf(v.done, d.Address.Normal)+" "+report.Effect(changes),
		recipientLink(d.Address.Normal), page.Link{Text: "All decisions", Href: "decisions"},
	)
}
