package health

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Heartbeat
		stalled := func(want time.Duration, when string) {
			t.Helper()
			if got := h.Stalled(time.Now()); got != want {
				t.Errorf("Stalled() %s = %s, want %s", when, got, want)
			}
		}
		stalled(0, "before the first beat")
		h.Beat()
		time.Sleep(time.Minute)
		stalled(time.Minute, "a minute after a beat")
		h.Beat()
		stalled(0, "right after a beat")
		h.Idle()
		time.Sleep(time.Hour)
		stalled(0, "while idle")
	})
}

func TestRetryingLogsStartAndEndOnce(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var r Retrying
	r.Report(log, "read a", nil)
	r.Report(log, "read a", errors.New("denied"))
	r.Report(log, "read a", errors.New("denied\nstill"))
	r.Report(log, "find b", errors.New("gone"))
	if got, want := r.String(), "cannot find b: gone; cannot read a: denied still"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	r.Report(log, "read a", nil)
	r.Report(log, "read a", nil)
	r.Forget(func(operation string) bool { return operation == "find b" })
	if got := r.String(); got != "" {
		t.Errorf("String() = %q, want the empty string", got)
	}
	for text, want := range map[string]int{"failing, will retry": 2, "recovered": 1} {
		if n := strings.Count(out.String(), text); n != want {
			t.Errorf("%q was logged %d times, want %d:\n%s", text, n, want, &out)
		}
	}
}

// A journalctl that fails once a second used to be logged twice a second.
func TestRetryingFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		var r Retrying
		for range 3600 {
			r.Report(log, "read the journal", errors.New("exit status 1"))
			r.Report(log, "read the journal", nil)
			time.Sleep(time.Second)
		}
		// One start, one recovery, and repeats after 1, 2, 4, 8, 16 and 32 minutes.
		if n := strings.Count(out.String(), "\n"); n < 5 || n > 9 {
			t.Errorf("%d log records in an hour, want 5 to 9:\n%s", n, &out)
		}
		if got, want := r.String(), "cannot read the journal: exit status 1"; got != want {
			t.Errorf("String() while flapping = %q, want %q", got, want)
		}
		time.Sleep(flapWindow)
		if got := r.String(); got != "" {
			t.Errorf("String() after %s without a failure = %q, want the empty string", flapWindow, got)
		}
		out.Reset()
		r.Report(log, "read the journal", nil)
		if !strings.Contains(out.String(), "msg=recovered") {
			t.Errorf("the end of flapping was not logged: %q", &out)
		}
	})
}
