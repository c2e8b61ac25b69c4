package fleet

import (
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestLikeFindsWhatGlobFinds(t *testing.T) {
	for match, want := range map[string]string{
		"Jane":       `%jane%`,
		"jane*":      `jane%`,
		"j?ne@*":     `j_ne@%`,
		"a_b":        `%a\_b%`,
		"100%":       `%100\%%`,
		`back\slash`: `%back\\slash%`,
		"*_*":        `%\_%`,
	} {
		if got := likeOf(match); got != want {
			t.Errorf("likeOf(%q) = %q, want %q", match, got, want)
		}
	}
}

func TestParametersOfAFilterAreNumberedInTheirOrder(t *testing.T) {
	where, args, err := conditions(query.Filter{State: "bad", Since: "2026-01-01T00:00:00.000Z", Changes: true, AfterSeq: 7, BadOrLeft: true, Limit: 3})
	want := `WHERE true AND r.state = $1 AND r.last_failure_at >= $2::text::timestamptz AND r.seq > $3 AND (r.state = 'bad' OR r.left_bad_seq > $4) ORDER BY r.seq LIMIT $5`
	if err != nil || where != want || len(args) != 5 || args[4] != 3 {
		t.Errorf("conditions: %s %v %v\nwant %s", where, args, err, want)
	}
	if _, _, err := conditions(query.Filter{Incident: "id = 1"}); err == nil || !strings.Contains(err.Error(), "--incident and --fleet") {
		t.Errorf("an incident in a fleet: %v", err)
	}
}
