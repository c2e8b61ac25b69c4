package table

import "time"

// Zone is the time zone in which people read times. JSON, files and the database
// hold UTC.
type Zone struct{ *time.Location }

// Short shows a stored time to the minute.
func (z Zone) Short(stored string) string {
	at, err := time.Parse(time.RFC3339, stored)
	if err != nil {
		return stored
	}
	return at.In(z.Location).Format("2006-01-02 15:04")
}

// ShortOf is Short of a time that may be missing.
func (z Zone) ShortOf(stored *string) string {
	if stored == nil {
		return ""
	}
	return z.Short(*stored)
}

// Name is the abbreviation of the zone.
func (z Zone) Name() string {
	name, _ := time.Now().In(z.Location).Zone()
	return name
}

// Head adds the abbreviation of the zone to a heading.
func (z Zone) Head(heading string) string { return heading + " (" + z.Name() + ")" }
