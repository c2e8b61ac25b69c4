package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var day = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// fixture is a database, and a program that receives its changes.
type fixture struct {
	t      *testing.T
	path   string
	outbox *outbox.Outbox
	hook   *Hook
	said   strings.Builder // log output

	mu     sync.Mutex
	bodies []string      // of all requests
	last   *http.Request // the last one
	answer func(w http.ResponseWriter, n int, body string)
	paused []time.Duration
	minute int             // of the last attempt stored
	mends  func(tries int) // called at each pause, may repair the program
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "b.db")}
	f.save()
	var err error
	if f.outbox, err = outbox.Open(t.Context(), f.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.outbox.Close() })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("request: %v", err)
		}
		f.mu.Lock()
		f.bodies = append(f.bodies, string(body))
		f.last = r
		n, answer := len(f.bodies), f.answer
		f.mu.Unlock()
		if answer != nil {
			answer(w, n, string(body))
		}
	}))
	t.Cleanup(server.Close)
	f.hook = &Hook{
		Name: "crm", URL: server.URL + "/hook?token=hunter2", Kind: "json", Secret: "hunter2",
		States: []string{"bad", "ok"}, Batch: 100, Timeout: 10 * time.Second, Tries: 5, UserAgent: "bouncetail test",
		Store: f.outbox, Log: slog.New(slog.NewTextHandler(&f.said, nil)), Now: func() time.Time { return day.Add(time.Hour) },
	}
	return f
}

// save saves a failure for each local part; one that begins with "slow" is
// deferred.
func (f *fixture) save(locals ...string) {
	f.t.Helper()
	s, err := sqlite.Open(f.t.Context(), f.path, slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.Close()
	b := &bounce.Batch{}
	for i, local := range locals {
		r := bounce.Record{
			Delivery: bounce.Delivery{At: day.Add(time.Duration(i) * time.Second), MTA: bounce.Postfix, Outcome: bounce.Bounced, MessageID: local + "@shop.example", Host: "mx", QueueID: "4A1B2C", Reply: bounce.Reply{SMTPCode: 550, Text: "550 5.1.1 <" + local + "@example.com>: User & Co unknown"}},
			Verdict:  bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test/rule"},
			To:       bounce.Address{Normal: local + "@example.com", Domain: "example.com"},
		}
		if strings.HasPrefix(local, "slow") {
			r.Outcome, r.Disposition, r.Suppress = bounce.Deferred, bounce.Retry, false
		}
		r.ID = bounce.NewEventID(uint32(r.At.Unix()), local)
		b.Records.Add(&r)
	}
	if _, err := s.Save(f.t.Context(), b); err != nil {
		f.t.Fatal(err)
	}
}

// run runs the hook until it has nothing left to do.
func (f *fixture) run() {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	defer stop()
	f.hook.Wait = func(ctx context.Context, d time.Duration) error {
		if d == poll {
			stop()
		} else {
			f.paused = append(f.paused, d)
			if f.mends != nil {
				f.mends(len(f.paused))
			}
		}
		return ctx.Err()
	}
	f.hook.Run(ctx)
}

// told returns the local parts in each request.
func (f *fixture) told() []string {
	f.t.Helper()
	var all []string
	for _, body := range f.bodies {
		var b struct {
			Recipients []struct{ Recipient, State string }
		}
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			f.t.Fatalf("%v in %s", err, body)
		}
		var names []string
		for _, r := range b.Recipients {
			names = append(names, strings.TrimSuffix(r.Recipient, "@example.com"))
		}
		all = append(all, strings.Join(names, " "))
	}
	return all
}

func (f *fixture) want(told ...string) {
	f.t.Helper()
	if got := f.told(); !slices.Equal(got, told) {
		f.t.Errorf("told %q, want %q", got, told)
	}
}

func (f *fixture) hooks() query.Hook {
	f.t.Helper()
	r, err := query.OpenReader(f.t.Context(), f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	hooks, err := r.Hooks(f.t.Context())
	if err != nil || len(hooks) != 1 {
		f.t.Fatalf("Hooks() = %v, %v", hooks, err)
	}
	return hooks[0]
}

func status(code int) func(http.ResponseWriter, int, string) {
	return func(w http.ResponseWriter, _ int, _ string) { w.WriteHeader(code) }
}

func TestHookReceivesEachChangeInOrder(t *testing.T) {
	f := newFixture(t)
	f.save("a", "slow", "b", "c")
	f.hook.Batch = 2
	f.run()
	f.want("a b", "c")
	f.run()
	f.save("d")
	f.run()
	f.want("a b", "c", "d")
	if h := f.hooks(); h.Behind != 0 || h.DeadLetters != 0 || h.Trouble != nil {
		t.Errorf("the hook stands at %+v", h)
	}
	body := f.bodies[2]
	want := `{"webhook":"crm","recipients":[{"recipient":"d@example.com","domain":"example.com","state":"bad","decided_by":"failure","category":"invalid-address","reason":"no-such-user",` +
		`"first_failure_at":"2026-11-20T09:00:00.000Z","last_failure_at":"2026-11-20T09:00:00.000Z","last_delivery_at":null,"permanent_count":1,"retry_count":0,` +
		`"bad_since":"2026-11-20T09:00:00.000Z","bad_until":null,"last_bounce_id":5,"seq":5,"smtp_code":550,"enhanced_code":null,"reply":"550 5.1.1 <d@example.com>: User & Co unknown","scope":"recipient","message_id":"d@shop.example","event_id":"EVENT"}]}`
	f.bodies[2] = regexp.MustCompile(`"event_id":"[^"]+"`).ReplaceAllString(body, `"event_id":"EVENT"`)
	if f.bodies[2] != want {
		t.Errorf("body\n%s\nwant\n%s", f.bodies[2], want)
	}
	if got, want := f.last.Header.Get(SignatureHeader), Sign("hunter2", day.Add(time.Hour), []byte(body)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	if got := f.last.Header.Get("User-Agent"); got != "bouncetail test" {
		t.Errorf("user agent %q", got)
	}
	// The HMAC-SHA-256 of `1.{}` with the key `k`, computed by
	// printf '1.{}' | openssl dgst -sha256 -hmac k
	if got, want := Sign("k", time.Unix(1, 0), []byte("{}")), "t=1,v1=3dd49b2593d0f9a349e9e71c4bde3e2b862c2be4003fe9b4ba81332029310158"; got != want {
		t.Errorf("Sign = %s, want %s", got, want)
	}
}

func TestNewHookStartsNow(t *testing.T) {
	f := newFixture(t)
	f.save("old")
	f.hook.FromNow = true
	f.run()
	f.want()
	f.save("new")
	f.run()
	f.want("new")
}

func TestFailedRequestsAreRetriedWithGrowingPauses(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, int, string){
		"500":     status(500),
		"503":     status(503),
		"408":     status(408),
		"hangs":   func(w http.ResponseWriter, _ int, _ string) { hang(w) },
		"hang up": func(http.ResponseWriter, int, string) { panic(http.ErrAbortHandler) },
		"breaks off": func(w http.ResponseWriter, _ int, _ string) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.save("a", "b")
			f.answer = func(w http.ResponseWriter, n int, body string) {
				if n <= 4 {
					answer(w, n, body)
				}
			}
			if name == "hangs" {
				f.hook.Timeout = time.Second
				f.mends = func(tries int) {
					if tries == 4 {
						f.hook.Timeout = time.Minute // the next one is answered
					}
				}
			}
			f.run()
			f.want("a b", "a b", "a b", "a b", "a b")
			if len(f.paused) != 4 {
				t.Fatalf("paused %v, want four pauses", f.paused)
			}
			for i, d := range f.paused {
				if want := time.Second << i; d != want {
					t.Errorf("pause %d is %v, want %v", i, d, want)
				}
			}
			if h := f.hooks(); h.Behind != 0 || h.DeadLetters != 0 || h.Trouble != nil {
				t.Errorf("the hook stands at %+v", h)
			}
			if n := strings.Count(f.said.String(), "will retry"); n != 1 {
				t.Errorf("the failure was logged %d times: %s", n, &f.said)
			}
			if said := f.said.String(); !strings.Contains(said, "recovered") || strings.Contains(said, "hunter2") || strings.Contains(said, "a@example") {
				t.Errorf("the log says %s", said)
			}
		})
	}
}

// hang does not answer until the client has disconnected.
func hang(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack() //nolint:forcetypeassert // it is one
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.Copy(io.Discard, conn)
}

func TestRetryAfterIsRespected(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"120": 2 * time.Minute,
		day.Add(3 * time.Hour).Format(http.TimeFormat): 2 * time.Hour, // it is 10 o'clock
		"999999999":            maxRetryAfter,
		"99999999999999999999": maxRetryAfter,
	} {
		f := newFixture(t)
		f.save("a")
		f.answer = func(w http.ResponseWriter, n int, _ string) {
			if n == 1 {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}
		f.run()
		f.want("a", "a")
		if !slices.Equal(f.paused, []time.Duration{want}) {
			t.Errorf("Retry-After: %s: paused %v, want %v", header, f.paused, want)
		}
	}
}

func TestRefusedRecipientsAreKeptForAReplay(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, int, string)
		tries  int
		why    string
	}{
		"refused": {status(http.StatusBadRequest), 5, "the answer is 400 Bad Request"}, // abc in halves
		"down":    {status(http.StatusBadGateway), 5, "the answer is 502 Bad Gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.save("a", "b", "c")
			f.answer = c.answer
			f.run()
			if len(f.bodies) != c.tries {
				t.Errorf("%d tries, want %d", len(f.bodies), c.tries)
			}
			h := f.hooks()
			if h.DeadLetters != 3 || h.LastError == nil || !strings.Contains(*h.LastError, c.why) || h.Behind != 0 {
				t.Errorf("the hook stands at %+v, want 3 dead letters for %q", h, c.why)
			}
			switch n, err := f.hook.Replay(t.Context()); {
			case name == "refused" && (err != nil || n.Refused != 3 || n.Delivered != 0):
				t.Errorf("replay of refused recipients: %+v, %v", n, err)
			case name == "down" && (err == nil || !strings.Contains(err.Error(), "3 recipients stay")):
				t.Errorf("replay while it fails: %+v, %v", n, err)
			}
			// A later change that is accepted replaces the dead letter.
			f.bodies, f.answer = nil, nil
			f.save("b2")
			f.saveAgain("b")
			f.run()
			f.want("b2", "b")
			if h := f.hooks(); h.DeadLetters != 2 {
				t.Errorf("%d dead letters, want 2", h.DeadLetters)
			}
			f.bodies = nil
			if n, err := f.hook.Replay(t.Context()); err != nil || n.Delivered != 2 {
				t.Errorf("replay: %+v, %v", n, err)
			}
			f.want("a c")
			if h := f.hooks(); h.DeadLetters != 0 {
				t.Errorf("%d dead letters, want none", h.DeadLetters)
			}
		})
	}
}

// saveAgain runs the hook and then saves another failure of a recipient, so that
// requests do not depend on the batch.
func (f *fixture) saveAgain(local string) {
	f.t.Helper()
	f.run()
	s, err := sqlite.Open(f.t.Context(), f.path, slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.Close()
	at := day.Add(time.Minute)
	_, err = s.Save(f.t.Context(), &bounce.Batch{Records: bounce.NewRecords(bounce.Record{
		Delivery: bounce.Delivery{ID: bounce.NewEventID(uint32(at.Unix()), local), At: at, MTA: bounce.Postfix, Outcome: bounce.Bounced},
		Verdict:  bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test/rule"},
		To:       bounce.Address{Normal: local + "@example.com", Domain: "example.com"},
	})})
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestOnlyTheRefusedRecipientBecomesADeadLetter(t *testing.T) {
	f := newFixture(t)
	f.save("a", "b", "spoilt", "c", "d")
	f.answer = func(w http.ResponseWriter, _ int, body string) {
		if strings.Contains(body, "spoilt") {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}
	f.run()
	f.want("a b c d spoilt", "a b", "c d spoilt", "c", "d spoilt", "d", "spoilt")
	if h := f.hooks(); h.DeadLetters != 1 || h.Behind != 0 {
		t.Errorf("the hook stands at %+v", h)
	}
}

func TestTheCursorSurvivesAStop(t *testing.T) {
	f := newFixture(t)
	f.save("a", "b", "c")
	f.hook.Batch = 1
	ctx, stop := context.WithCancel(t.Context())
	f.answer = func(w http.ResponseWriter, n int, _ string) {
		if n == 2 { // stopped while b is sent
			stop()
			hang(w)
		}
	}
	f.hook.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	f.hook.Run(ctx) // returns immediately although the hook hangs
	f.want("a", "b")
	f.run()
	f.want("a", "b", "b", "c")
}

func TestListmonkRequests(t *testing.T) {
	f := newFixture(t)
	f.save("a", "slow")
	f.hook.Kind, f.hook.States, f.hook.Username, f.hook.Password = "listmonk", []string{"bad", string(bounce.StateFailing)}, "api", "hunter2"
	f.run()
	want := []string{
		`{"email":"a@example.com","source":"bouncetail","type":"hard","created_at":"2026-11-20T09:00:00.000Z","meta":{"category":"invalid-address","reason":"no-such-user","smtp_code":550,"reply":"550 5.1.1 <a@example.com>: User & Co unknown","message_id":"a@shop.example","seq":1}}`,
		`{"email":"slow@example.com","source":"bouncetail","type":"soft","created_at":"2026-11-20T09:00:01.000Z","meta":{"category":"invalid-address","reason":"no-such-user","smtp_code":550,"reply":"550 5.1.1 <slow@example.com>: User & Co unknown","message_id":"slow@shop.example","seq":2}}`,
	}
	if !slices.Equal(f.bodies, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(f.bodies, "\n"), strings.Join(want, "\n"))
	}
	if user, password, ok := f.last.BasicAuth(); !ok || user != "api" || password != "hunter2" {
		t.Errorf("basic authentication %q %q %v", user, password, ok)
	}
}

func TestHintIsLoggedIfNoConnectionIsPossible(t *testing.T) {
	f := newFixture(t)
	f.save("a")
	f.hook.URL, f.hook.Hint, f.hook.Tries = "http://127.0.0.1:1/?token=hunter2", "open the network", 1
	f.run()
	if said := f.said.String(); strings.Count(said, "open the network") != 2 || strings.Contains(said, "hunter2") {
		t.Errorf("the log says %s", said)
	}
	if h := f.hooks(); h.DeadLetters != 1 {
		t.Errorf("the hook stands at %+v", h)
	}
}

func TestTokenIsSentAsBearerByDefault(t *testing.T) {
	f := newFixture(t)
	f.hook.Token = "hunter2"
	f.save("a")
	f.run()
	if got := f.last.Header.Get("Authorization"); got != "Bearer hunter2" {
		t.Errorf("Authorization: %q", got)
	}
}
