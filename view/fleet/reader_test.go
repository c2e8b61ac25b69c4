package fleet

import (
	"testing"

	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestParametersOfAFilterAreNumberedInTheirOrder(t *testing.T) {
	where, args := conditions(query.Filter{
		State: "bad", Since: "2026-01-01T00:00:00.000Z", Changes: true, AfterSeq: 7, BadOrLeft: true, Limit: 3,
		Incident: "reason = ? AND (domain = ? OR suppress)", IncidentArgs: []any{"policy", "example.com"},
	})
	want := `WHERE true AND r.state = $1 AND r.last_failure_at >= $2::text::timestamptz AND r.seq > $3 AND (r.state = 'bad' OR r.left_bad_seq > $4)` +
		` AND r.recipient_key IN (SELECT recipient_key FROM bouncetail.bounces WHERE reason = $5 AND (domain = $6 OR suppress)) ORDER BY r.seq LIMIT $7`
	if where != want || len(args) != 7 || args[5] != "example.com" || args[6] != 3 {
		t.Errorf("conditions: %s %v\nwant %s", where, args, want)
	}
}
