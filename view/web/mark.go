package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
)

// marks are the decisions about the failures of some time, in words.
var marks = map[string]struct{ title, button, effect, undo string }{
	recipient.KindRelease: {
		"Release an outage", "Release",
		"No state follows any more from the failures of this time. They stay on record, and those that are read later are released too.",
		"Let the failures of release %d count again?",
	},
	recipient.KindConfirm: {
		"Confirm a crowd", "Confirm",
		"The addresses that were refused in this time become bad, and so do those that are read later.",
		"Take back confirmation %d?",
	},
}

// markLink leads to the page that asks about the failures of a crowd.
func markLink(says, kind string, of report.Refusals) page.Link {
	at := parameters("kind", kind, "since", of.Since, "until", of.Until, "domain", of.Domain, "reason", of.Reason)
	return page.Link{Text: says, Href: "mark?" + at.Encode()}
}

// mark asks for the failures to decide about, or whether to undo that.
func mark(q *request) (*page.Page, error) {
	if err := q.site.mayWrite(q.by); err != nil {
		return nil, err
	}
	kind := q.get("kind")
	m, known := marks[kind]
	if !known {
		return nil, notFound("There is release, and confirm.")
	}
	s := page.NewSection("")
	if undo := q.get("undo"); undo != "" {
		id, err := strconv.ParseInt(undo, 10, 64)
		if err != nil || id < 1 {
			return nil, badRequest("It has a number.")
		}
		p := page.New(fmt.Sprintf(m.undo, id), "")
		s.Form = &page.Form{Action: "mark", Token: q.form(), Button: "Take back", Fields: hidden("kind", kind, "undo", undo)}
		p.Add(s)
		return p, nil
	}
	p := page.New(m.title, "")
	s.Say("%s", m.effect)
	s.Form = &page.Form{Action: "mark", Token: q.form(), Button: "Count them", Fields: append(hidden("kind", kind),
		page.Field{Label: "Since", Name: "since", Value: q.get("since")},
		page.Field{Label: "Until (empty: now)", Name: "until", Value: q.get("until")},
		page.Field{Label: "Domain", Name: "domain", Value: q.get("domain")},
		page.Field{Label: "Category", Name: "category", Value: q.get("category"), Options: append([]string{""}, filter.Categories()...)},
		page.Field{Label: "Reason", Name: "reason", Value: q.get("reason"), Options: append([]string{""}, filter.Reasons()...)},
	)}
	s.Note("Times are as 6h, 2026-11-20 08:00 (%s) or RFC 3339. You see how many failures it is before anything changes.", q.zone.Name())
	p.Add(s)
	return p, nil
}

// hidden returns fields that are not shown, from names and values.
func hidden(pairs ...string) []page.Field {
	var fields []page.Field
	for pair := range slices.Chunk(pairs, 2) {
		fields = append(fields, page.Field{Name: pair[0], Value: pair[1], Type: "hidden"})
	}
	return fields
}

// mark counts the failures to decide about; decides about them, once they were counted;
// or undoes that.
func (s *Site) mark(w http.ResponseWriter, r *http.Request) {
	get := r.PostForm.Get
	m := Mark{Kind: get("kind"), By: visitorOf(r).user, DryRun: get("sure") == ""}
	if _, known := marks[m.Kind]; !known {
		s.fail(w, r, noPage, http.StatusBadRequest, "There is release, and confirm.")
		return
	}
	var err error
	if undo := get("undo"); undo != "" {
		m.DryRun = false
		if m.Undo, err = strconv.ParseInt(undo, 10, 64); err != nil || m.Undo < 1 {
			s.fail(w, r, noPage, http.StatusBadRequest, "It has a number.")
			return
		}
	} else {
		words := filter.Words{
			Since:  get("since"),
			Until:  get("until"),
			Filter: query.Filter{Category: get("category"), Reason: get("reason"), Domain: get("domain")},
		}
		if m.Of, err = words.Outage(time.Now().In(s.Zone.Location)); err != nil {
			s.fail(w, r, noPage, http.StatusBadRequest, sentence(err)+" Nothing was changed.")
			return
		}
		m.Of.Note = noted(get("note"), m.By)
	}
	marked, err := s.Writer.Mark(r.Context(), m)
	switch {
	case err != nil:
		s.failed(w, r, err)
	case m.DryRun:
		s.askMark(w, r, m, &marked)
	default:
		s.done(w, r, marked.Sentence(m.Kind), page.Link{Text: "All decisions", Href: "decisions"})
	}
}

// askMark asks whether the failures that were counted are meant.
func (s *Site) askMark(w http.ResponseWriter, r *http.Request, m Mark, counted *report.Marked) {
	p := page.New(marks[m.Kind].title+"?", "")
	section := page.NewSection("", "", "")
	section.Say("%s", counted.Sentence(m.Kind))
	for _, word := range of(&m.Of, s.Zone.Short) {
		section.Row(word[0], word[1])
	}
	if counted.Failures > 0 {
		fields := hidden(
			"kind", m.Kind, "sure", "yes", "since", m.Of.Since, "until", m.Of.Until, "domain", m.Of.Domain,
			"category", m.Of.Category, "reason", m.Of.Reason,
		)
		section.Form = &page.Form{
			Action: "mark",
			Token:  s.formOf(w, r),
			Button: marks[m.Kind].button,
			Fields: append(fields, page.Field{Label: "Why", Name: "note"}),
		}
	}
	p.Add(section)
	s.write(w, r, noPage, http.StatusOK, p)
}

// of names the failures that a release covers.
func of(r *recipient.Release, short func(string) string) [][2]string {
	words := [][2]string{{"from", short(r.Since)}, {"to", short(r.Until)}}
	for _, word := range [][2]string{{"domain", r.Domain}, {"category", r.Category}, {"reason", r.Reason}} {
		if word[1] != "" {
			words = append(words, word)
		}
	}
	return words
}
