// Package webhook reports changes of recipients to other programs by HTTP.
//
// A Hook is one such program. It receives each change at least once, in order:
// its cursor moves only after the program has accepted a request (a complete 2xx
// response). Requests that fail are retried with growing pauses. Recipients that
// the program refuses are kept as dead letters for a replay. Each hook runs on its
// own database connection, so neither the logs nor other hooks wait for it.
//
// A new kind of hook is a file with its body, and its line in Kinds.
package webhook

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/backoff"
	"github.com/bouncetail/bouncetail/internal/health"
)

// Store holds the changes, and how far each hook has received them.
type Store interface {
	// Cursor returns the last change that the hook received. A new hook begins
	// with the changes after now, or with all of them.
	Cursor(ctx context.Context, name string, fromNow bool, now time.Time) (int64, error)
	// Changes returns at most limit recipients in one of the states that changed
	// after a number, in the order of the changes.
	Changes(ctx context.Context, after int64, states []string, limit int) (bounce.ChangePage, error)
	// MarkDelivered moves the cursor up to a number and deletes the dead letters
	// of the recipients, in one transaction.
	MarkDelivered(ctx context.Context, name string, upTo int64, rows []bounce.Change, now time.Time) error
	// DeadLetter moves the cursor, and keeps the recipients as dead letters.
	DeadLetter(ctx context.Context, name string, upTo int64, rows []bounce.Change, why string, now time.Time) error
	// FailureCursor returns the last failure that the hook has looked at for soft
	// bounces, and MoveFailureCursor stores it.
	FailureCursor(ctx context.Context, name string) (int64, error)
	MoveFailureCursor(ctx context.Context, name string, id int64) error
	// Trouble stores the reason why the hook does not accept the next change.
	Trouble(ctx context.Context, name, why string) error
	// DeadLetters returns the recipients that the hook refused, as they are now.
	DeadLetters(ctx context.Context, name string) ([]bounce.Change, error)
}

// Hook is a program that receives changes. The fields up to Log are required, except
// the credentials and the keys.
type Hook struct {
	Name               string
	URL                string
	Kind               string            // of Kinds
	Secret             string            // signs the body; for the kind mailgun, the signing key
	SigningKey         *ecdsa.PrivateKey // for the kind sendgrid
	Username, Password string            // for basic authentication; no user name sends none
	Token              string            // sent as "Authorization: Bearer …"
	TokenHeader        string            // if set, Token is sent under this name, without Bearer
	States             []string
	FromNow            bool // a new hook skips what is already there
	Batch              int  // maximum number of recipients in a request
	Timeout            time.Duration
	Tries              int // after which a request that fails becomes dead letters
	UserAgent          string
	// Hint is added to the error if no connection is possible.
	Hint  string
	Store Store
	Log   *slog.Logger
	// Retrying lists what currently fails; nil is a list of the hook's own.
	Retrying *health.Retrying

	Now func() time.Time
	// Wait waits for a span, or returns an error if ctx ends before.
	Wait func(ctx context.Context, d time.Duration) error

	client http.Client
	soft   softBounces
}

// The pauses between tries.
const (
	firstPause = time.Second
	longPause  = 15 * time.Minute
	// maxRetryAfter limits Retry-After.
	maxRetryAfter = 24 * time.Hour
	// poll is the pause of a hook that has received everything.
	poll = 1500 * time.Millisecond
	// saveTime limits storing a delivery after the program was asked to stop.
	saveTime = 5 * time.Second
)

// Run sends changes to the hook until ctx ends.
func (h *Hook) Run(ctx context.Context) {
	h.prepare()
	if err := h.Reach(ctx); err != nil && ctx.Err() == nil {
		h.Log.Warn("cannot connect to webhook", "webhook", h.Name, "error", err)
	}
	var seq int64
	h.soft = softBounces{}
	if h.persist(ctx, func(ctx context.Context) (err error) {
		if seq, err = h.Store.Cursor(ctx, h.Name, h.FromNow, h.now()); err == nil {
			h.soft.upTo, err = h.Store.FailureCursor(ctx, h.Name)
		}
		return err
	}) != nil {
		return
	}
	for first := true; ctx.Err() == nil; first = false {
		var page bounce.ChangePage
		if h.persist(ctx, func(ctx context.Context) (err error) {
			page, err = h.Store.Changes(ctx, seq, h.States, h.batch())
			return err
		}) != nil {
			return
		}
		if first && page.UpTo == seq && h.drained(ctx, page) != nil {
			return // everything before the start was delivered
		}
		if h.deliverPage(ctx, page, seq) != nil {
			return
		}
		seq = max(seq, page.UpTo)
		if len(page.Changes) == h.batch() {
			continue
		}
		if h.drained(ctx, page) != nil || h.wait(ctx, poll) != nil {
			return
		}
	}
}

// drained stores that all failures up to the last of a page were looked at. Only a
// hook that reports soft bounces needs that.
func (h *Hook) drained(ctx context.Context, page bounce.ChangePage) error {
	if !kind(h.Kind).bounces || !slices.Contains(h.States, string(bounce.StateFailing)) || !h.soft.drained(page.LastFailure) {
		return nil
	}
	return h.persist(ctx, func(ctx context.Context) error {
		return h.Store.MoveFailureCursor(ctx, h.Name, page.LastFailure)
	})
}

// deliverPage delivers the changes of a page that are for this hook. It returns an
// error if ctx ended before.
func (h *Hook) deliverPage(ctx context.Context, page bounce.ChangePage, seq int64) error {
	chosen := h.choose(page.Changes)
	if chosen.rejected > 0 {
		h.Log.Info("addresses skipped that the program cannot store", "webhook", h.Name, "recipients", chosen.rejected)
	}
	upTo := page.UpTo
	if n := len(chosen.send); n > 0 {
		if len(chosen.drop) > 0 {
			upTo = chosen.send[n-1].Seq
		}
		if err := h.deliver(ctx, chosen.send, upTo); err != nil {
			return err
		}
		h.soft.sent(chosen.send)
		if len(chosen.drop) == 0 {
			return nil
		}
	}
	if page.UpTo == seq {
		return nil
	}
	return h.persist(ctx, func(ctx context.Context) error {
		return h.Store.MarkDelivered(ctx, h.Name, page.UpTo, chosen.drop, h.now())
	})
}

// prepare makes the client. Redirects are not followed: they would turn a POST
// into a GET, and show the credentials to another host.
func (h *Hook) prepare() {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxIdleConnsPerHost = 1
	h.client = http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if h.Retrying == nil {
		h.Retrying = &health.Retrying{}
	}
}

func (h *Hook) batch() int {
	if kind(h.Kind).single {
		return 1
	}
	return h.Batch
}

// operation names what the hook does, for the list of failing operations.
func (h *Hook) operation() string { return "deliver changes to webhook " + h.Name }

// deliver sends recipients until the hook has accepted them or they are dead
// letters. It returns an error if ctx ended before.
func (h *Hook) deliver(ctx context.Context, rows []bounce.Change, upTo int64) error {
	pauses := backoff.Backoff{Min: firstPause, Max: longPause}
	for try := 1; ; try++ {
		err := h.send(ctx, rows)
		if err == nil {
			h.Retrying.Report(h.Log, h.operation(), nil)
			return h.delivered(ctx, rows, upTo)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var answer refusal
		errors.As(err, &answer)
		if answer.ofBody() && len(rows) > 1 {
			// One recipient may be the cause.
			half := len(rows) / 2
			if err := h.deliver(ctx, rows[:half], rows[half-1].Seq); err != nil {
				return err
			}
			return h.deliver(ctx, rows[half:], upTo)
		}
		if answer.ofBody() || try >= h.Tries && !answer.ofHook() {
			h.Log.Error("webhook refuses recipients, kept for bouncetail webhooks replay",
				"webhook", h.Name, "recipients", len(rows), "tries", try, "error", err)
			return h.persist(ctx, func(ctx context.Context) error {
				return h.Store.DeadLetter(ctx, h.Name, upTo, rows, err.Error(), h.now())
			})
		}
		h.Retrying.Report(h.Log, h.operation(), err)
		if err := h.Store.Trouble(ctx, h.Name, err.Error()); err != nil {
			h.Log.Debug("storing the trouble of a webhook", "webhook", h.Name, "error", err)
		}
		if err := h.wait(ctx, max(pauses.Next(), min(answer.after, maxRetryAfter))); err != nil {
			return err
		}
	}
}

// delivered stores that the hook has accepted recipients.
func (h *Hook) delivered(ctx context.Context, rows []bounce.Change, upTo int64) error {
	// Also while the program stops, so that an accepted request is not sent again.
	if ctx.Err() != nil {
		saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
		return errors.Join(h.Store.MarkDelivered(saving, h.Name, upTo, rows, h.now()), ctx.Err())
	}
	return h.persist(ctx, func(ctx context.Context) error {
		return h.Store.MarkDelivered(context.WithoutCancel(ctx), h.Name, upTo, rows, h.now())
	})
}

// persist calls the database until it succeeds, or ctx ends.
func (h *Hook) persist(ctx context.Context, call func(context.Context) error) error {
	operation := "use the database for webhook " + h.Name
	pauses := backoff.Backoff{Min: firstPause, Max: time.Minute}
	for {
		err := call(ctx)
		if err == nil || ctx.Err() == nil {
			h.Retrying.Report(h.Log, operation, err)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := h.wait(ctx, pauses.Next()); err != nil {
			return err
		}
	}
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
