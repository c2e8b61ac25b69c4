package webhook

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// attempt is a failure to be stored.
type attempt struct {
	to, message string
	category    bounce.Category
	reason      bounce.Reason
	scope       bounce.Scope
	suppress    bool
}

func gone(to string) attempt {
	return attempt{to, "m1@shop.example", bounce.InvalidAddress, bounce.NoSuchUser, bounce.ScopeRecipient, true}
}

func full(to, message string) attempt {
	return attempt{to, message, bounce.MailboxFull, bounce.MailboxFullReason, bounce.ScopeRecipient, false}
}

// store stores attempts, a minute after one another.
func (f *fixture) store(attempts ...attempt) {
	f.t.Helper()
	s, err := sqlite.Open(f.t.Context(), f.path, slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.Close()
	for _, a := range attempts {
		f.minute++
		at := day.Add(time.Duration(f.minute) * time.Minute)
		r := bounce.Record{
			Delivery: bounce.Delivery{At: at, MTA: bounce.Postfix, Outcome: bounce.Deferred, MessageID: a.message, Host: "mx", QueueID: "4A1B2C", Sender: "news@shop.example", HasSender: true, Reply: bounce.Reply{SMTPCode: 452, EnhancedCode: "4.2.2", Text: "452 4.2.2 <" + a.to + "> \"over\" quota"}},
			Verdict:  bounce.Verdict{Category: a.category, Reason: a.reason, Scope: a.scope, Disposition: bounce.Retry, Rule: "test/rule"},
			To:       bounce.Address{Normal: a.to, Domain: a.to[strings.LastIndexByte(a.to, '@')+1:]},
		}
		if !strings.Contains(a.to, "@") {
			r.To.Domain = ""
		}
		if a.suppress {
			r.Outcome, r.Disposition, r.Suppress = bounce.Bounced, bounce.Permanent, true
			r.Reply = bounce.Reply{SMTPCode: 550, EnhancedCode: "5.1.1", Text: "550 5.1.1 <" + a.to + ">: User & Co unknown"}
		}
		r.ID = bounce.NewEventID(uint32(at.Unix()), a.to+a.message)
		if _, err := s.Save(f.t.Context(), &bounce.Batch{Records: bounce.NewRecords(r)}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// serve replaces the program of the fixture.
func (f *fixture) serve(kind string, program http.Handler) {
	f.hook.Kind, f.hook.States, f.hook.Batch = kind, []string{"bad"}, 100
	f.answer = func(w http.ResponseWriter, _ int, body string) {
		r := f.last.Clone(f.t.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
		program.ServeHTTP(w, r)
	}
}

func (f *fixture) withSoft() { f.hook.States = []string{"bad", string(bounce.StateFailing)} }

// listmonkFixture is a listmonk with its hook.
func listmonkFixture(t *testing.T) (*fixture, *listmonk) {
	f, l := newFixture(t), &listmonk{user: "api", password: "hunter2"}
	f.serve("listmonk", l)
	f.hook.Username, f.hook.Password = l.user, l.password
	return f, l
}

func (l *listmonk) want(t *testing.T, bounces ...string) {
	t.Helper()
	if !slices.Equal(l.bounces, bounces) {
		t.Errorf("listmonk got %q, want %q", l.bounces, bounces)
	}
}

func TestListmonkGetsOnlyAddressesThatItCanStore(t *testing.T) {
	f, l := listmonkFixture(t)
	f.store(gone("root"), gone(`"a b"@h.example`), gone("a..b@h.example"), gone("a.@h.example"), gone("a@[192.0.2.1]"),
		gone("fran\u212a@h.example"), gone("o'brien+x@h.example"))
	f.run()
	l.want(t, "hard o'brien+x@h.example")
	if h := f.hooks(); l.invalid != 0 || h.DeadLetters != 0 || h.Behind != 0 {
		t.Errorf("%d invalid requests, the hook stands at %+v", l.invalid, h)
	}
}

func TestChangesWaitWhileTheHookIsMisconfigured(t *testing.T) {
	for name, c := range map[string]struct{ breaks, mends func(*fixture, *listmonk) }{
		"wrong password": {
			func(f *fixture, _ *listmonk) { f.hook.Password = "hunter3" },
			func(f *fixture, _ *listmonk) { f.hook.Password = "hunter2" },
		},
		"webhooks disabled": {
			func(_ *fixture, l *listmonk) { l.disabled = true },
			func(_ *fixture, l *listmonk) { l.disabled = false },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, l := listmonkFixture(t)
			f.store(gone("w1@h.example"), gone("w2@h.example"))
			c.breaks(f, l)
			f.mends = func(tries int) {
				if tries == 3*f.hook.Tries { // long after other requests became dead letters
					if h := f.hooks(); h.Trouble == nil || !strings.Contains(*h.Trouble, "check") {
						t.Errorf("the hook stands at %+v", h)
					}
					c.mends(f, l)
				}
			}
			f.run()
			l.want(t, "hard w1@h.example", "hard w2@h.example")
			if h := f.hooks(); h.DeadLetters != 0 || h.Behind != 0 || h.Trouble != nil {
				t.Errorf("the hook stands at %+v", h)
			}
			if said := f.said.String(); strings.Count(said, "will retry") != 1 || strings.Contains(said, "level=ERROR") || strings.Contains(said, "w1@") {
				t.Errorf("the log says %s", said)
			}
		})
	}
}

func TestChangesWaitAfterEveryStatusAboutTheHook(t *testing.T) {
	for status := 300; status < 500; status++ {
		r := refusal{status: status}
		if r.ofBody() && r.ofHook() {
			t.Errorf("%d is both", status)
		}
		switch status {
		case 400, 409, 413, 422, 408, 425, 429:
			if r.ofHook() {
				t.Errorf("%d is considered an error of the hook", status)
			}
		default:
			if !r.ofHook() {
				t.Errorf("%d is not considered an error of the hook", status)
			}
		}
	}
}

func TestReplaySkipsRefusedRecipients(t *testing.T) {
	f, l := listmonkFixture(t)
	l.blocked = []string{"blocked.example"}
	f.store(gone("x@blocked.example"), gone("w1@h.example"), gone("y@blocked.example"), gone("w2@h.example"))
	f.answer = status(http.StatusServiceUnavailable)
	f.run()
	if h := f.hooks(); h.DeadLetters != 4 {
		t.Fatalf("the hook stands at %+v, want 4 dead letters", h)
	}
	f.serve("listmonk", l)
	n, err := f.hook.Replay(t.Context())
	if err != nil || n.Delivered != 2 || n.Refused != 2 || n.LastRefusal == nil {
		t.Errorf("replay: %+v, %v; want 2 delivered and 2 refused", n, err)
	}
	l.want(t, "hard w1@h.example", "hard w2@h.example")
	if h := f.hooks(); h.DeadLetters != 2 {
		t.Errorf("%d dead letters, want 2", h.DeadLetters)
	}
	// An error of the hook ends the replay, and loses nothing.
	f.hook.Password = "hunter3"
	if n, err := f.hook.Replay(t.Context()); err == nil || n.Delivered != 0 || !strings.Contains(err.Error(), "check username") {
		t.Errorf("replay with a wrong password: %+v, %v", n, err)
	}
	if n, err := f.outbox.DropDeadLetters(t.Context(), "crm", []string{"x@blocked.example", "other@h.example"}); n != 1 || err != nil {
		t.Errorf("DropDeadLetters: %d, %v", n, err)
	}
	if n, err := f.outbox.DropDeadLetters(t.Context(), "crm", nil); n != 1 || err != nil {
		t.Errorf("DropDeadLetters: %d, %v", n, err)
	}
}

// A dead letter of an older version can be one that listmonk can never store.
func TestReplayDropsAddressesThatTheProgramCannotStore(t *testing.T) {
	f, l := listmonkFixture(t)
	f.store(gone("root"), gone("w1@h.example"))
	f.hook.Kind = "json"
	f.answer = status(http.StatusBadRequest)
	f.run()
	f.serve("listmonk", l)
	if n, err := f.hook.Replay(t.Context()); err != nil || n.Delivered != 1 || n.Dropped != 1 {
		t.Errorf("replay: %+v, %v; want 1 delivered and 1 dropped", n, err)
	}
	if h := f.hooks(); h.DeadLetters != 0 || l.invalid != 0 {
		t.Errorf("the hook stands at %+v", h)
	}
}

func TestSoftBouncesAreOnlyAboutTheRecipient(t *testing.T) {
	f, l := listmonkFixture(t)
	f.withSoft()
	f.store(full("full@h.example", "m1"))
	for reason, verdict := range map[bounce.Reason]bounce.Verdict{
		bounce.Greylisted:       {Category: bounce.RateLimit, Scope: bounce.ScopeRecipient},
		bounce.RateLimited:      {Category: bounce.RateLimit, Scope: bounce.ScopeSender},
		bounce.IPBlocklisted:    {Category: bounce.SenderReputation, Scope: bounce.ScopeSender},
		bounce.SpamContent:      {Category: bounce.SenderReputation, Scope: bounce.ScopeMessage},
		bounce.DMARCFailed:      {Category: bounce.DMARC, Scope: bounce.ScopeSender},
		bounce.RecipientRefused: {Category: bounce.Blocked, Scope: bounce.ScopeRecipient},
		bounce.ConnectionFailed: {Category: bounce.RecipientError, Scope: bounce.ScopeNetwork},
	} {
		f.store(attempt{string(reason) + "@h.example", "m1", verdict.Category, reason, verdict.Scope, false})
	}
	f.run()
	l.want(t, "soft full@h.example")
}

func TestAMessageIsOneSoftBounceAtMost(t *testing.T) {
	f, l := listmonkFixture(t)
	f.withSoft()
	f.run()
	// Two attempts before the hook runs, and one after.
	f.store(full("a@h.example", "m1"), full("a@h.example", "m1"), full("b@h.example", "m1"))
	f.run()
	f.store(full("a@h.example", "m1"))
	f.run() // after a restart
	f.store(full("a@h.example", "m2"))
	f.run()
	f.store(full("a@h.example", "m1"), full("a@h.example", "m2"))
	f.run()
	l.want(t, "soft a@h.example", "soft b@h.example", "soft a@h.example")
	// Without a message ID, the queue ID distinguishes messages.
	f.store(full("c@h.example", ""), full("c@h.example", ""))
	f.run()
	f.store(full("c@h.example", ""))
	f.run()
	l.want(t, "soft a@h.example", "soft b@h.example", "soft a@h.example", "soft c@h.example")
}

func TestInternationalDomainsAreSentInBothSpellings(t *testing.T) {
	f, l := listmonkFixture(t)
	f.store(gone("jo@xn--bcher-kva.example"))
	f.run()
	l.want(t, "hard jo@xn--bcher-kva.example", "hard jo@bücher.example")

	f = newFixture(t)
	f.store(gone("jo@xn--bcher-kva.example"))
	f.run()
	if body := f.bodies[0]; !strings.Contains(body, `"recipient":"jo@xn--bcher-kva.example"`) || !strings.Contains(body, `"recipient_unicode":"jo@bücher.example"`) {
		t.Errorf("json: %s", body)
	}
}

func TestSendGridEvents(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f, s := newFixture(t), &sendgridReceiver{key: &key.PublicKey}
	f.serve("sendgrid", s)
	f.withSoft()
	f.store(gone("gone@h.example"), gone("root"), full("full@h.example", "m2@shop.example"), gone("jo@xn--bcher-kva.example"))
	// Without the key, receivers such as listmonk refuse everything, and nothing is lost.
	f.run()
	if h := f.hooks(); h.DeadLetters != 3 {
		t.Errorf("unsigned: the hook stands at %+v", h)
	}
	f.bodies, f.hook.SigningKey = nil, key
	if n, err := f.hook.Replay(t.Context()); err != nil || n.Delivered != 3 || len(s.events) != 4 {
		t.Errorf("replay: %+v, %v, %d events", n, err, len(s.events))
	}
	f.block("byhand@h.example")
	f.golden("sendgrid")
}

func TestMailgunEvents(t *testing.T) {
	f, m := newFixture(t), &mailgunReceiver{key: "hunter2"}
	f.serve("mailgun", m)
	f.withSoft()
	f.hook.Secret = "hunter2"
	f.store(gone("gone@h.example"), gone("root"), full("full@h.example", "m2@shop.example"), gone("jo@xn--bcher-kva.example"))
	f.run()
	f.block("byhand@h.example")
	if h := f.hooks(); len(m.events) != 5 || h.DeadLetters != 0 || h.Behind != 0 {
		t.Errorf("%d events, the hook stands at %+v", len(m.events), h)
	}
	f.golden("mailgun")
}

func TestPostmarkBounces(t *testing.T) {
	f, p := newFixture(t), &postmarkReceiver{}
	f.serve("postmark", p)
	f.withSoft()
	f.hook.Token, f.hook.TokenHeader = "hunter2", "X-Api-Key"
	f.store(gone("gone@h.example"), gone("root"), full("full@h.example", "m2@shop.example"), gone("jo@xn--bcher-kva.example"))
	f.run()
	f.block("byhand@h.example")
	if h := f.hooks(); len(p.bounces) != 5 || h.DeadLetters != 0 || h.Behind != 0 {
		t.Errorf("%d bounces, the hook stands at %+v", len(p.bounces), h)
	}
	f.golden("postmark")
}

// block sends an address that was blocked by hand and never failed.
func (f *fixture) block(address string) {
	f.t.Helper()
	since := "2026-11-21T08:00:00.000Z"
	r := bounce.Recipient{Recipient: address, Domain: "h.example", State: bounce.StateBad, DecidedBy: bounce.ByHand, BadSince: &since, Seq: 99}
	if err := f.hook.send(f.t.Context(), []bounce.Change{{Recipient: r}}); err != nil {
		f.t.Errorf("blocked by hand: %v", err)
	}
}

var random = regexp.MustCompile(`"(token|signature)":"[0-9a-f]+"`)

// golden compares all bodies with a file.
func (f *fixture) golden(name string) {
	f.t.Helper()
	var got bytes.Buffer
	for _, body := range f.bodies {
		fmt.Fprintln(&got, random.ReplaceAllString(body, `"$1":"…"`))
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		f.t.Errorf("%s: got\n%s\nwant\n%s", name, &got, want)
	}
}

func TestTestDescribesTheProblem(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fixture, *listmonk)
		want   string // of the error
	}{
		"good":              {func(*fixture, *listmonk) {}, ""},
		"wrong password":    {func(f *fixture, _ *listmonk) { f.hook.Password = "x" }, "403 Forbidden; check username and password (or token), and the permissions of that user; it says: {\"message\":\"invalid API credentials\"}"},
		"webhooks disabled": {func(_ *fixture, l *listmonk) { l.disabled = true }, "404 Not Found; check the url, and that the program has its webhooks enabled"},
		"wrong port":        {func(f *fixture, _ *listmonk) { f.hook.URL = "http://127.0.0.1:1/?token=hunter2" }, "connection refused"},
		"redirect":          {func(f *fixture, _ *listmonk) { f.answer = status(http.StatusMovedPermanently) }, "correct the url"},
		"no credentials":    {func(f *fixture, _ *listmonk) { f.hook.Username = "" }, "wants credentials"},
		"broken":            {func(f *fixture, _ *listmonk) { f.answer = status(http.StatusInternalServerError) }, "500 Internal Server Error"},
	} {
		f, l := listmonkFixture(t)
		c.change(f, l)
		err := f.hook.Test(t.Context())
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			l.want(t, "soft bouncetail-test@example.invalid")
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		l.want(t)
	}
	for _, k := range Kinds {
		body, err := k.test(&Hook{Name: "crm", Secret: "k"}, day)
		if err != nil || !json.Valid(body) {
			t.Errorf("test of %s: %v, %s", k.Name, err, body)
		}
	}
}

// With addresses chosen by attackers, requests of every kind are valid, and contain the
// addresses unchanged or not at all.
func TestHostileAddressesInEveryKind(t *testing.T) {
	hostile := []string{
		`" or 1=1 or "@evil.example`, `a\@evil.example`, "a\nb@evil.example", "a\x00b@evil.example", "<script>@evil.example",
		"a b@evil.example", "@evil.example", "root", "x@[192.0.2.9]", "=1+1@evil.example", "🙈@evil.example", "right\u202eleft@evil.example",
		strings.Repeat("a", 300) + "@evil.example", "o'brien+x@evil.example",
	}
	stored := []string{"=1+1@evil.example", "🙈@evil.example", "o'brien+x@evil.example"}
	for _, k := range Kinds {
		f := newFixture(t)
		f.serve(k.Name, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var all []attempt
		for _, a := range hostile {
			all = append(all, gone(a))
		}
		f.store(all...)
		f.run()
		var got []string
		for _, body := range f.bodies {
			var value any
			if err := json.Unmarshal([]byte(body), &value); err != nil {
				t.Fatalf("%s: %v in %s", k.Name, err, body)
			}
			got = append(got, addresses(value)...)
		}
		want := stored
		if k.Name == "json" {
			want = hostile
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: sent %q, want %q", k.Name, got, want)
		}
	}
}

// addresses returns the values of the keys that hold the address of a bounce.
func addresses(value any) (list []string) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			list = append(list, addresses(element)...)
		}
	case map[string]any:
		for key, element := range v {
			if a, is := element.(string); is && slices.Contains([]string{"recipient", "email", "Email"}, key) {
				list = append(list, a)
			} else if !is {
				list = append(list, addresses(element)...)
			}
		}
	}
	return list
}
