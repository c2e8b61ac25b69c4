package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// send sends recipients in as many requests as the kind needs.
func (h *Hook) send(ctx context.Context, rows []bounce.Change) error {
	k := kind(h.Kind)
	if k.bounces {
		rows = spelled(rows)
	}
	size := max(1, len(rows))
	if k.single {
		size = 1
	}
	for begin := 0; begin < len(rows); begin += size {
		now := h.now()
		body, err := k.body(h, rows[begin:begin+size], now)
		if err != nil {
			return err
		}
		if _, err := h.post(ctx, body, now); err != nil {
			return err
		}
	}
	return nil
}

// spelled returns the changes with one row for each spelling of an address:
// programs compare with what their users typed.
func spelled(rows []bounce.Change) []bounce.Change {
	var all []bounce.Change
	for i := range rows {
		for _, spelling := range address.Spellings(rows[i].Address()) {
			row := rows[i]
			row.Recipient.Recipient = spelling
			all = append(all, row)
		}
	}
	return all
}

// post sends one request and returns the beginning of the answer. Its error shows
// neither the URL, which may hold a token, nor the answer, which may hold
// addresses.
func (h *Hook) post(ctx context.Context, body []byte, now time.Time) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return "", errors.New("the url cannot be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", h.UserAgent)
	switch {
	case h.Username != "":
		r.SetBasicAuth(h.Username, h.Password)
	case h.Token != "" && h.TokenHeader != "":
		r.Header.Set(h.TokenHeader, h.Token)
	case h.Token != "":
		r.Header.Set("Authorization", "Bearer "+h.Token)
	}
	if err := kind(h.Kind).sign(h, r.Header, body, now); err != nil {
		return "", err
	}
	answer, err := h.client.Do(r)
	if err != nil {
		if u, is := errors.AsType[*url.Error](err); is {
			err = u.Err // without the URL
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v", h.Timeout)
		}
		return "", h.hinted(err)
	}
	defer answer.Body.Close()
	// The program may have failed if its answer is incomplete. Only the first page of a
	// long answer is read.
	beginning, err := io.ReadAll(io.LimitReader(answer.Body, 200))
	if err == nil {
		_, err = io.CopyN(io.Discard, answer.Body, 1<<16)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the answer %d is incomplete: %w", answer.StatusCode, err)
	}
	if answer.StatusCode/100 == 2 {
		return "", nil
	}
	hasLogin := h.Username != "" || h.Token != ""
	return printable(beginning), refusal{answer.StatusCode, retryAfter(answer.Header.Get("Retry-After"), now), hasLogin}
}

// printable returns untrusted text for a terminal.
func printable(text []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "\ufffd")))
}

// Reach reports whether a connection to the hook is possible.
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

// testAddress cannot exist (RFC 6761).
const testAddress = "bouncetail-test@example.invalid"

// Test sends one request about an address that cannot exist. The error describes the
// problem with the hook, with the start of the answer, which contains no real address.
func (h *Hook) Test(ctx context.Context) error {
	h.prepare()
	k, now := kind(h.Kind), h.now()
	body, err := k.test(h, now)
	if err != nil {
		return err
	}
	text, err := h.post(ctx, body, now)
	if err != nil && text != "" {
		return fmt.Errorf("%w; it says: %s", err, text)
	}
	return err
}

// hinted adds the hint if no connection was possible.
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
	status      int
	after       time.Duration // of Retry-After
	credentials bool          // credentials were sent
}

func (r refusal) Error() string {
	answer := fmt.Sprintf("the answer is %d %s", r.status, http.StatusText(r.status))
	switch {
	case r.status >= 300 && r.status < 400:
		return answer + "; redirects are not followed, correct the url"
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden, r.status == http.StatusProxyAuthRequired:
		if !r.credentials {
			return answer + "; the program wants credentials: set username and password, or token"
		}
		return answer + "; check username and password (or token), and the permissions of that user"
	case r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed, r.status == http.StatusGone:
		return answer + "; check the url, and that the program has its webhooks enabled"
	}
	return answer
}

// ofBody reports whether the program refuses the request body, and would refuse it
// again.
func (r refusal) ofBody() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// ofHook reports whether the settings or the program are at fault, independent of the
// body: wrong credentials, a wrong path, a redirect. Changes wait until that is
// corrected.
func (r refusal) ofHook() bool {
	switch r.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.status >= 300 && r.status < 500 && !r.ofBody()
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 if there is neither. Of a
// number that is too large it returns the largest.
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
