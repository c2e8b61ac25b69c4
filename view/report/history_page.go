package report

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/view/page"
)

// Sections arranges a history as a page.
func (l *History) Sections() []page.Section {
	state := page.NewSection("State", "", "")
	why := string(l.State)
	if l.Category != "" {
		why += ": " + string(l.Category) + " / " + string(l.Reason)
	}
	state.Row("state", why)
	state.Row("decided by", deciders[l.DecidedBy])
	for _, at := range []struct {
		name   string
		stored *string
	}{
		{"bad since", l.BadSince},
		{"bad until", l.BadUntil},
		{"last delivery", l.LastDeliveryAt},
		{"first failure", l.FirstFailureAt},
		{"last failure", l.LastFailureAt},
	} {
		if at.stored != nil {
			state.Row(at.name, l.zone.Short(*at.stored)+" "+l.zone.Name())
		}
	}
	state.Row("permanent failures", l.PermanentCount)
	state.Row("failures to be retried", l.RetryCount)
	state.Note("What would clear it: %s", l.Clears)
	if advice := l.Reason.Advice(); advice != "" && l.DecidedBy != bounce.ByHand && l.DecidedBy != bounce.ByCrowd {
		state.Note("What to do: %s", advice)
	}
	if l.State == bounce.StateSuspect && len(l.Crowds) > 0 {
		c := &l.Crowds[len(l.Crowds)-1]
		state.Note("If all addresses of the crowd are dead: %s", c.Confirm)
		state.Note("If it was an outage: %s", c.Release)
	}
	events := page.NewSection("What happened", "time ("+l.zone.Name()+")", "", "reply", "message")
	timeline := l.timeline()
	for i := len(timeline) - 1; i >= 0; i-- { // the last first
		e := &timeline[i]
		events.Row(l.zone.Short(e.at), e.text, e.reply, e.mail)
	}
	return []page.Section{state, events.OrElse("Nothing is known.")}
}
