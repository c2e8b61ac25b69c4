package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// dropUnsound takes out of words what no bouncetail writes, and logs how much that is. A
// host that somebody took over can write any row into the tables; the database of this
// host would not hold together with it.
func (s *Sender) dropUnsound(w *words) {
	before := len(w.decisions) + len(w.releases) + len(w.forgotten)
	w.decisions = slices.DeleteFunc(w.decisions, func(d feed.Decision) bool { return !soundDecision(&d) })
	w.releases = slices.DeleteFunc(w.releases, func(m feed.Release) bool {
		return !soundStamp(m.Since) ||
			!soundStamp(m.Until) ||
			!soundStamp(m.ReleasedAt) ||
			m.WithdrawnAt != nil && !soundStamp(*m.WithdrawnAt)
	})
	w.forgotten = slices.DeleteFunc(w.forgotten, func(f feed.Forgotten) bool { return !soundStamp(f.Until) || f.Until >= "9000" })
	if n := before - len(w.decisions) - len(w.releases) - len(w.forgotten); n > 0 {
		s.Log.Warn(
			"decisions of other hosts are left out: bouncetail does not write such rows. Look at who can write to the tables decisions, releases and forgotten of the fleet",
			"rows", n,
		)
	}
}

// leaveOut notes what cannot be read of a row. A host that somebody took over may write
// anything into the tables, and the senders of the others go on without it.
func (t *transaction) leaveOut(what string, args ...any) {
	t.leftOut = append(t.leftOut, fmt.Sprintf(what, args...))
}

// maxLeftOut bounds how many rows are named.
const maxLeftOut = 100

// inTransaction is the function of this name, and names what is left out, once.
func (s *Sender) inTransaction(ctx context.Context, do func(t *transaction) error) error {
	return inTransaction(ctx, s.conn, func(t *transaction) error {
		err := do(t)
		for _, what := range t.leftOut {
			if s.leftOut == nil {
				s.leftOut = make(map[string]bool)
			}
			if !s.leftOut[what] && len(s.leftOut) < maxLeftOut {
				s.leftOut[what] = true
				s.Log.Warn(
					"a row of the fleet cannot be read and is left out: bouncetail does not write such rows. Look at who can write to the tables, then run bouncetail fleet rebuild as their owner",
					"row", what,
				)
			}
		}
		return err
	})
}

// soundDecision also refuses the last thousand years, so that another decision can be later.
func soundDecision(d *feed.Decision) bool {
	domain := ""
	if at := strings.LastIndexByte(d.Recipient, '@'); at >= 0 {
		domain = d.Recipient[at+1:]
	}
	return bounce.Address{Normal: d.Recipient}.Key() == d.Key &&
		domain == d.Domain &&
		!strings.ContainsFunc(d.Recipient, isControl) &&
		slices.Contains([]string{recipient.Allow, recipient.Block, ""}, d.Decision) &&
		soundStamp(d.At) && d.At < "9000" &&
		(d.Until == "" || soundStamp(d.Until))
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// soundStamp reports whether a stamp is one that a log or a clock may have. PostgreSQL
// also knows infinity and years before 0, which become the years 1 and 0.
func soundStamp(stamp string) bool {
	return stamp >= "1000"
}
