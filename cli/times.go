package cli

import (
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// People read times of their own zone, with the zone in the heading. JSON, files and
// the database hold UTC.

// shortTime shows a stored time to the minute.
func (a *app) shortTime(stored string) string {
	at, err := time.Parse(time.RFC3339, stored)
	if err != nil {
		return stored
	}
	return at.In(a.zone()).Format("2006-01-02 15:04")
}

// shortTimeOf is shortTime of a time that may be missing.
func (a *app) shortTimeOf(stored *string) string {
	if stored == nil {
		return ""
	}
	return a.shortTime(*stored)
}

// zoneName is the abbreviation of the time zone that is shown.
func (a *app) zoneName() string {
	name, _ := a.now().In(a.zone()).Zone()
	return name
}

// inZone adds the abbreviation of the time zone to a heading.
func (a *app) inZone(heading string) string {
	return heading + " (" + a.zoneName() + ")"
}

// stored is a time as the database has it.
func stored(t time.Time) string { return bounce.Stamp(t) }
