package incidents_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

// days lets days pass, with the mail of each in one window.
func (s *server) days(n int, refused func(day int) int) (due int) {
	s.t.Helper()
	for day := range n {
		s.delivered(200 - refused(day))
		s.refused(refused(day), nil)
		s.save()
		s.now = s.now.Add(24 * time.Hour)
		due += s.look(true)
	}
	return due
}

func TestAShareThatRisesForFourWeeksIsTold(t *testing.T) {
	s := newServer(t)
	s.w.Channels = []incidents.Channel{{Name: "me", Kinds: []incident.Kind{incident.Drift}}} // such pauses are incidents too
	s.look(true)
	if due := s.days(28, func(int) int { return 4 }); due != 0 {
		t.Errorf("%d notices of a steady share, want none", due)
	}
	if due := s.days(29, func(day int) int { return 4 + day }); due != 1 {
		t.Errorf("%d notices of a share that rises, want 1", due)
	}
	drifts := func() (all []string) {
		for _, line := range s.incidents() {
			if strings.Contains(line, "Kind:drift") {
				all = append(all, line)
			}
		}
		return all
	}
	got := drifts()
	if len(got) != 1 || !strings.Contains(got[0], "Subject:google") || !strings.Contains(got[0], "OverAt: ") || strings.Contains(got[0], "RangAt: ") {
		t.Errorf("drifts: %q, want one of google that is open and rang", got)
	}
	// It is over when the share has not risen for some time, and told once more.
	if due := s.days(42, func(int) int { return 33 }); due != 1 {
		t.Errorf("%d notices of a steady share, want 1", due)
	}
	if got := drifts(); len(got) != 1 || strings.Contains(got[0], "OverAt: ") {
		t.Errorf("drifts: %q, want one that is over", got)
	}
}

// A month that is imported is no month that was followed.
func TestNoDriftIsLookedForInAnImport(t *testing.T) {
	s := newServer(t)
	s.w.Channels = []incidents.Channel{{Name: "me", Kinds: []incident.Kind{incident.Drift}}}
	for day := range 35 {
		s.delivered(200 - 4 - day)
		s.refused(4+day, nil)
		s.now = s.now.Add(24 * time.Hour)
	}
	s.save()
	if due := s.look(false) + s.look(true); due != 0 {
		t.Errorf("%d notices after an import, want none", due)
	}
}
