package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/report"
)

// Writer makes the decisions of users. An error of type *control.Error is that of a
// decision that cannot be made; another one may pass.
type Writer interface {
	Decide(ctx context.Context, d Decision) (recipient.Changes, error)
	Mark(ctx context.Context, m Mark) (report.Marked, error)
}

// Decision is what a user decides about an address.
type Decision struct {
	Decision string // a key of verbs
	Address  bounce.Address
	Note     string
	Until    time.Time // zero is for ever
	By       string
}

// Mark is what a user decides about the failures of some time.
type Mark struct {
	Kind   string // a key of marks
	Of     recipient.Release
	DryRun bool
	Undo   int64 // the number of the release or the confirmation to withdraw
	By     string
}

// writeTime bounds the time of a decision. The daemon may be busy with an import.
const writeTime = 25 * time.Second

// mayWrite returns why a visitor may not decide, or nil.
func (s *Site) mayWrite(by *visitor) error {
	switch {
	case s.Writer == nil:
		return forbidden(
			"These pages only read: the setting web.write is false. Use the command line: bouncetail recipients allow, block, unset, confirm, release.",
		)
	case by.user == "":
		return forbidden(
			"It has to be known who decides: set web.users_file or web.user_header, or start bouncetail web by hand on a port of this machine.",
		)
	}
	return nil
}

// writing calls a handler if the visitor may decide, with a time limit.
func (s *Site) writing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.mayWrite(visitorOf(r)); err != nil {
			s.fail(w, r, noPage, http.StatusForbidden, err.Error())
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), writeTime)
		defer cancel()
		next(w, r.WithContext(ctx))
	}
}

// failed answers with the error of a decision.
func (s *Site) failed(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusServiceUnavailable
	if _, refused := errors.AsType[*control.Error](err); refused {
		code = http.StatusConflict
	} else {
		s.Log.Warn("a decision was not written", "error", err)
	}
	s.fail(w, r, noPage, code, sentence(err)+" Nothing was changed.")
}

// sentence writes an error as a sentence, without the flag or the database that it begins
// with. A name with a dot, such as that of a setting or an address, keeps its case.
func sentence(err error) string {
	says := strings.TrimPrefix(err.Error(), "--")
	if what, rest, ok := strings.Cut(says, ": "); ok && strings.HasPrefix(what, "database ") {
		says = rest
	}
	if first, _, _ := strings.Cut(says, " "); strings.Contains(strings.TrimRight(first, ".:"), ".") {
		return says + "."
	}
	return strings.ToUpper(says[:1]) + says[1:] + "."
}

// noted adds to a note who decided.
func noted(note, by string) string {
	return strings.TrimSpace(text.Cut(strings.Join(strings.Fields(note), " "), 500) + " (" + by + ", on the pages)")
}

// done answers that a decision was made, with links to what follows.
func (s *Site) done(w http.ResponseWriter, r *http.Request, says string, links ...page.Link) {
	p := page.New("Done", "")
	section := page.NewSection("")
	section.Say("%s", says)
	section.Links = links
	p.Add(section)
	s.write(w, r, noPage, http.StatusOK, p)
}
