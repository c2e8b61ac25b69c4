// Package webhook tells other programs of the changes of recipients by HTTP.
//
// A Hook is one such program. It is told of the changes in their order, at
// least once each: its cursor moves only when it has taken a request (an answer
// of 2xx, whole). What it does not take is tried again with growing pauses, and
// in the end kept as a dead letter for a replay. Each hook runs for itself, on
// a connection to the database of its own, so that neither the logs nor other
// hooks ever wait for it. A hook of another kind is a function in body.go and
// its line in Kinds.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Store tells what a hook has not been told yet, and remembers what it took.
type Store interface {
	// Cursor returns the last change that the hook was told of. A hook that is
	// new begins with the changes after now, or with all there are.
	Cursor(ctx context.Context, name string, fromNow bool, now time.Time) (int64, error)
	// Changes returns at most limit recipients in one of the states that changed
	// after a number, in the order of the changes, and the number up to which
	// that is everything.
	Changes(ctx context.Context, after int64, states []string, limit int) ([]bounce.Recipient, int64, error)
	// Took moves the cursor up to a number, and forgets the dead letters of the
	// recipients, whole or not at all.
	Took(ctx context.Context, name string, upTo int64, rows []bounce.Recipient, now time.Time) error
	// GaveUp moves the cursor, and keeps the recipients as dead letters.
	GaveUp(ctx context.Context, name string, upTo int64, rows []bounce.Recipient, why string, now time.Time) error
	// Trouble notes why the hook does not take what comes next.
	Trouble(ctx context.Context, name, why string) error
	// DeadLetters returns the recipients that were given up, as they are now.
	DeadLetters(ctx context.Context, name string) ([]bounce.Recipient, error)
}

// Hook is a program that is told of changes. All fields but the secrets, Hint,
// Now and Wait are needed.
type Hook struct {
	Name               string
	URL                string
	Kind               string // of Kinds
	Secret             string // signs the body; empty signs nothing
	Username, Password string // for basic authentication; an empty name sends none
	States             []string
	FromNow            bool // a new hook leaves out what there is already
	Batch              int  // recipients in a request at most
	Timeout            time.Duration
	Tries              int
	UserAgent          string
	// Hint is added to the error where no connection could be made.
	Hint  string
	Store Store
	Log   *slog.Logger

	Now func() time.Time
	// Wait waits for a span, or returns an error when ctx ends before.
	Wait func(ctx context.Context, d time.Duration) error

	client   http.Client
	troubled bool // the last request was not taken
}

// The pauses between tries.
const (
	firstPause = time.Second
	longPause  = 15 * time.Minute
	// maxRetryAfter bounds what the other side may ask for.
	maxRetryAfter = 24 * time.Hour
	// poll is how often a hook that has been told everything looks again.
	poll = 2 * time.Second
	// saveTime is how long noting that something was taken may last once the
	// program has been asked to stop.
	saveTime = 5 * time.Second
)

// Run tells the hook of changes until ctx ends.
func (h *Hook) Run(ctx context.Context) {
	h.prepare()
	if err := h.Reach(ctx); err != nil && ctx.Err() == nil {
		h.Log.Warn("webhook cannot be reached at present", "webhook", h.Name, "error", err)
	}
	var seq int64
	if h.persist(ctx, func(ctx context.Context) (err error) {
		seq, err = h.Store.Cursor(ctx, h.Name, h.FromNow, h.now())
		return err
	}) != nil {
		return
	}
	for ctx.Err() == nil {
		var rows []bounce.Recipient
		var upTo int64
		if h.persist(ctx, func(ctx context.Context) (err error) {
			rows, upTo, err = h.Store.Changes(ctx, seq, h.States, h.batch())
			return err
		}) != nil {
			return
		}
		if len(rows) > 0 {
			if h.deliver(ctx, rows, upTo) != nil {
				return
			}
		} else if upTo > seq {
			// Changes that are not for this hook.
			if h.persist(ctx, func(ctx context.Context) error { return h.Store.Took(ctx, h.Name, upTo, nil, h.now()) }) != nil {
				return
			}
		}
		seq = max(seq, upTo)
		if len(rows) < h.batch() && h.wait(ctx, poll) != nil {
			return
		}
	}
}

// prepare makes the client. Redirects are not followed: they would turn a POST
// into a GET, and show the credentials to somebody else.
func (h *Hook) prepare() {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxIdleConnsPerHost = 1
	h.client = http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h *Hook) batch() int {
	if kind(h.Kind).single {
		return 1
	}
	return h.Batch
}

// deliver tells the hook of recipients until it has taken them or they are
// given up. It returns an error where ctx ended before.
func (h *Hook) deliver(ctx context.Context, rows []bounce.Recipient, upTo int64) error {
	for try := 1; ; try++ {
		err := h.post(ctx, rows)
		if err == nil {
			return h.took(ctx, rows, upTo)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var no refusal
		errors.As(err, &no)
		if no.ofBody() && len(rows) > 1 {
			// One recipient may spoil the request for all.
			half := len(rows) / 2
			if err := h.deliver(ctx, rows[:half], rows[half-1].Seq); err != nil {
				return err
			}
			return h.deliver(ctx, rows[half:], upTo)
		}
		if no.final() || try >= h.Tries {
			h.troubled = true
			h.Log.Error("webhook given up on, kept for bouncetail webhooks replay", "webhook", h.Name, "recipients", len(rows), "tries", try, "error", err)
			return h.persist(ctx, func(ctx context.Context) error {
				return h.Store.GaveUp(ctx, h.Name, upTo, rows, err.Error(), h.now())
			})
		}
		if !h.troubled {
			h.troubled = true
			h.Log.Warn("webhook does not take changes, trying again", "webhook", h.Name, "error", err)
		}
		if err := h.Store.Trouble(ctx, h.Name, err.Error()); err != nil {
			h.Log.Debug("noting the trouble of a webhook", "webhook", h.Name, "error", err)
		}
		if err := h.wait(ctx, max(pause(try), min(no.after, maxRetryAfter))); err != nil {
			return err
		}
	}
}

func (h *Hook) took(ctx context.Context, rows []bounce.Recipient, upTo int64) error {
	if h.troubled {
		h.troubled = false
		h.Log.Info("webhook takes changes again", "webhook", h.Name)
	}
	// Also when the program has just been asked to stop: what was taken is not
	// to be told again.
	if ctx.Err() != nil {
		saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
		return errors.Join(h.Store.Took(saving, h.Name, upTo, rows, h.now()), ctx.Err())
	}
	return h.persist(ctx, func(ctx context.Context) error {
		return h.Store.Took(context.WithoutCancel(ctx), h.Name, upTo, rows, h.now())
	})
}

// persist asks the database until it answers, or ctx ends.
func (h *Hook) persist(ctx context.Context, ask func(context.Context) error) error {
	for try := 1; ; try++ {
		err := ask(ctx)
		if err == nil {
			if try > 1 {
				h.Log.Info("webhook has its place in the database again", "webhook", h.Name)
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if try == 1 {
			h.Log.Error("webhook waits for the database, trying again", "webhook", h.Name, "error", err)
		}
		if err := h.wait(ctx, min(pause(try), time.Minute)); err != nil {
			return err
		}
	}
}

// pause is how long to wait after a try: twice as long each time, and never
// quite the same, so that hooks do not come back all at once.
func pause(try int) time.Duration {
	d := min(firstPause<<min(try-1, 20), longPause)
	return d - time.Duration(rand.Int64N(int64(d/4))) //nolint:gosec // nobody is to be kept from guessing it
}

// Replay tells the hook once more of the recipients that were given up, as they
// are now, and returns how many it took. It ends at the first that it refuses.
func (h *Hook) Replay(ctx context.Context) (n int, err error) {
	h.prepare()
	rows, err := h.Store.DeadLetters(ctx, h.Name)
	if err != nil {
		return 0, err
	}
	// What has come into a state since that the hook is not to be told of.
	other := slices.DeleteFunc(slices.Clone(rows), func(r bounce.Recipient) bool { return slices.Contains(h.States, string(r.State)) })
	rows = slices.DeleteFunc(rows, func(r bounce.Recipient) bool { return !slices.Contains(h.States, string(r.State)) })
	if err := h.Store.Took(ctx, h.Name, 0, other, h.now()); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(rows, h.batch()) {
		if err := h.post(ctx, chunk); err != nil {
			return n, fmt.Errorf("webhook %s: %w; %d recipients stay for another replay", h.Name, err, len(rows)-n)
		}
		n += len(chunk)
		if err := h.Store.Took(ctx, h.Name, 0, chunk, h.now()); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Reach reports whether a connection to the hook can be made.
func (h *Hook) Reach(ctx context.Context) error {
	at, err := url.Parse(h.URL)
	if err != nil {
		return errors.New("the url cannot be read")
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: at}); err == nil && proxy != nil {
		at = proxy
	}
	port := at.Port()
	if port == "" {
		port = at.Scheme // the name of a port, too
	}
	ctx, cancel := context.WithTimeout(ctx, min(h.Timeout, 5*time.Second))
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return h.hinted(err)
	}
	return conn.Close()
}

// hinted adds the hint where no connection could be made.
func (h *Hook) hinted(err error) error {
	var network *net.OpError
	var name *net.DNSError
	if h.Hint != "" && (errors.As(err, &network) && network.Op == "dial" || errors.As(err, &name)) {
		return fmt.Errorf("%w; %s", err, h.Hint)
	}
	return err
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	after  time.Duration // of Retry-After
}

func (r refusal) Error() string {
	text := http.StatusText(r.status)
	switch {
	case r.status >= 300 && r.status < 400:
		return fmt.Sprintf("the answer is %d %s; redirects are not followed, correct the url", r.status, text)
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return fmt.Sprintf("the answer is %d %s; are username and password right?", r.status, text)
	}
	return fmt.Sprintf("the answer is %d %s", r.status, text)
}

// final reports whether trying again makes no sense.
func (r refusal) final() bool {
	switch r.status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.status < 500
}

// ofBody reports whether the answer is about what was sent.
func (r refusal) ofBody() bool {
	return r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge || r.status == http.StatusUnprocessableEntity
}

// post sends one request. Its error shows neither the URL, which may hold a
// token, nor what the other side wrote, which may name addresses.
func (h *Hook) post(ctx context.Context, rows []bounce.Recipient) error {
	now := h.now()
	body, err := kind(h.Kind).body(h.Name, rows, now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the url cannot be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", h.UserAgent)
	if h.Secret != "" {
		r.Header.Set(SignatureHeader, Sign(h.Secret, now, body))
	}
	if h.Username != "" {
		r.SetBasicAuth(h.Username, h.Password)
	}
	answer, err := h.client.Do(r)
	if err != nil {
		if u, is := errors.AsType[*url.Error](err); is {
			err = u.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %v", h.Timeout)
		}
		return h.hinted(err)
	}
	defer answer.Body.Close()
	// An answer that breaks off may come of a program that broke off, too. What
	// is longer than a page is not waited for.
	if _, err := io.CopyN(io.Discard, answer.Body, 1<<16); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the answer %d broke off: %w", answer.StatusCode, err)
	}
	if answer.StatusCode/100 == 2 {
		return nil
	}
	return refusal{answer.StatusCode, retryAfter(answer.Header.Get("Retry-After"), now)}
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 where there is
// neither.
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func (h *Hook) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

func (h *Hook) wait(ctx context.Context, d time.Duration) error {
	if h.Wait != nil {
		return h.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
