package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// What an admin decides at one server is told by the webhooks of the other one, too, and
// once, also if its sender and its daemon start again.
func TestAWebhookTellsOnceOfADecisionOfTheFleet(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var changes struct {
			Recipients []struct{ Recipient, State string }
		}
		if err := json.NewDecoder(r.Body).Decode(&changes); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, c := range changes.Recipients {
			told = append(told, c.Recipient+" "+c.State)
		}
	}))
	defer crm.Close()
	_, _, hosts := newFleet(t, "mx1", "mx2")
	a, b := hosts[0], hosts[1]
	b.configure(fmt.Sprintf("webhooks:\n  - {name: crm, url: %q, start: beginning}\n", crm.URL))
	for _, h := range hosts {
		h.fail("jane", 0)
		h.daemon = start(t, "--config", h.settings)
		h.send()
	}
	hears := func(want ...string) {
		t.Helper()
		got := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(told)
		}
		poll(func() bool { return len(got()) >= len(want) })
		if got := got(); !slices.Equal(got, want) {
			t.Fatalf("told %q, want %q", got, want)
		}
	}
	hears("jane@example.com bad")
	run(t, "recipients", "allow", "jane@example.com", "--config", a.settings)
	hears("jane@example.com bad", "jane@example.com ok")
	run(t, "recipients", "block", "new@example.com", "--config", a.settings)
	hears("jane@example.com bad", "jane@example.com ok", "new@example.com bad")
	b.sender.kill()
	b.send() // compares all decisions again
	b.daemon.stop()
	b.daemon = start(t, "--config", b.settings)
	time.Sleep(3 * time.Second) // for a second time
	hears("jane@example.com bad", "jane@example.com ok", "new@example.com bad")
	run(t, "recipients", "unset", "jane@example.com", "--config", a.settings)
	hears("jane@example.com bad", "jane@example.com ok", "new@example.com bad", "jane@example.com bad")
	time.Sleep(3 * time.Second)
	hears("jane@example.com bad", "jane@example.com ok", "new@example.com bad", "jane@example.com bad")
}
