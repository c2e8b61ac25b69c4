package bounce

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPulseTellsWorkThatHangsFromRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pulse
		if still := p.Still(time.Now()); still != 0 {
			t.Errorf("before its first beat it is still for %s", still)
		}
		p.Beat()
		time.Sleep(time.Minute)
		if still := p.Still(time.Now()); still != time.Minute {
			t.Errorf("a minute after a beat it is still for %s", still)
		}
		p.Beat()
		if still := p.Still(time.Now()); still != 0 {
			t.Errorf("right after a beat it is still for %s", still)
		}
		p.Rest()
		time.Sleep(time.Hour)
		if still := p.Still(time.Now()); still != 0 {
			t.Errorf("at rest it is still for %s", still)
		}
	})
}

func TestTroubleIsLoggedWhenItBeginsAndWhenItEnds(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	var all Troubles
	all.Report(log, "read a", nil)
	all.Report(log, "read a", errors.New("denied"))
	all.Report(log, "read a", errors.New("denied\nstill"))
	all.Report(log, "find b", errors.New("gone"))
	if got, want := all.String(), "cannot find b: gone; cannot read a: denied still"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	all.Report(log, "read a", nil)
	all.Report(log, "read a", nil)
	all.Forget(func(what string) bool { return what == "find b" })
	if got := all.String(); got != "" {
		t.Errorf("String() = %q, want nothing", got)
	}
	for text, want := range map[string]int{"trying again": 2, "going on": 1} {
		if n := strings.Count(said.String(), text); n != want {
			t.Errorf("%q was logged %d times, want %d:\n%s", text, n, want, &said)
		}
	}
}
