package daemon

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	view "github.com/bouncetail/bouncetail/view/fleet"
)

// InFleet reports whether a fleet answers.
func InFleet(from Answers) bool {
	_, is := from.(*view.Reader)
	return is
}

// Incidents returns the incidents that a filter chooses.
func Incidents(ctx context.Context, from Answers, f incidents.Filter) ([]incidents.Shown, error) {
	switch r := from.(type) {
	case *query.Reader:
		return incidents.List(ctx, r.Querier(), f)
	case *view.Reader:
		return r.Incidents(ctx, f)
	}
	return nil, errNoIncidents(from)
}

// Incident returns an incident, in a fleet that of a host.
func Incident(ctx context.Context, from Answers, host string, id int64) (*incidents.Details, error) {
	switch r := from.(type) {
	case *query.Reader:
		return incidents.Get(ctx, r.Querier(), id, 0)
	case *view.Reader:
		return r.Incident(ctx, host, id)
	}
	return nil, errNoIncidents(from)
}

// ChooseIncident has a filter choose the failures of an incident, in a fleet of that of a
// host.
func ChooseIncident(ctx context.Context, from Answers, host string, id int64, f *query.Filter) (err error) {
	switch r := from.(type) {
	case *query.Reader:
		f.Incident, f.IncidentArgs, err = incidents.FailuresOf(ctx, r.Querier(), id)
	case *view.Reader:
		f.Incident, f.IncidentArgs, err = r.FailuresOfIncident(ctx, host, id)
	default:
		err = errNoIncidents(from)
	}
	return err
}

func errNoIncidents(from Answers) error { return fmt.Errorf("a %T has no incidents", from) }
