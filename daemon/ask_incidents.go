package daemon

import (
	"context"

	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	view "github.com/bouncetail/bouncetail/view/fleet"
)

// InFleet reports whether a fleet answers.
func InFleet(from Answers) bool {
	_, is := from.(*view.Reader)
	return is
}

// ofHost answers from the database of this host. Package incidents reads its incidents,
// which all are of this host.
type ofHost struct{ *query.Reader }

// Incidents returns the incidents that a filter chooses.
func (r ofHost) Incidents(ctx context.Context, f incidents.Filter) ([]incidents.Shown, error) {
	return incidents.List(ctx, r.Querier(), f)
}

// Incident returns an incident.
func (r ofHost) Incident(ctx context.Context, _ string, id int64) (*incidents.Details, error) {
	return incidents.Get(ctx, r.Querier(), id, 0)
}

// FailuresOfIncident returns the condition that chooses the failures of an incident.
func (r ofHost) FailuresOfIncident(ctx context.Context, _ string, id int64) (where string, args []any, err error) {
	return incidents.FailuresOf(ctx, r.Querier(), id)
}
