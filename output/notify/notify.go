// Package notify sends notices of incidents: by mail, to a program, and to services by
// HTTP. A kind of channel is a function and a line in a table.
//
// The caller keeps what is due, and tries again. A notice is sent at least once, always
// with the same key. What a notice quotes was written by a stranger: every kind must
// escape it for its receiver.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/webhook"
)

// Channel is where notices go.
type Channel struct {
	Name    string
	Kind    string   // a key of kinds
	To      []string // mail
	Command []string // the program and its arguments
	URL     string
	Secret  string // json: signs the body
	Token   string // a bearer token; for gotify the token of the application

	Sendmail  string
	UserAgent string
	Now       func() time.Time
}

// Notice is a message about an incident.
type Notice struct {
	Key       string `json:"key"`  // the same each time it is sent
	What      string `json:"what"` // opened; again-YYYY-MM-DD, with THH:MM if there are several a day; over; test
	Host      string `json:"host"`
	Number    int64  `json:"incident"`
	Kind      string `json:"kind"`
	Subject   string `json:"subject"`
	Reason    string `json:"reason"`
	Title     string `json:"title"`
	State     string `json:"state"` // open or over
	StartedAt string `json:"started_at"`
	LastAt    string `json:"last_at"`
	OverAt    string `json:"over_at"`
	EndedBy   string `json:"ended_by"`
	Attempts  int    `json:"attempts"`
	Addresses int    `json:"addresses"`
	Domains   int    `json:"domains"`
	Share     string `json:"share"` // empty if the detector did not find it
	// Harmless means that no address becomes bad because of the failures.
	Harmless bool     `json:"harmless"`
	Decide   []string `json:"decide"` // commands that decide about the addresses
	Reply    string   `json:"reply"`
	Advice   string   `json:"advice"`
	Next     string   `json:"next"` // a command
	URL      string   `json:"url"`  // of its page; empty if the pages have no address
}

// maxReply is how much of a reply is quoted. The other side can write a megabyte.
const maxReply = 500

// Clean returns the notice without control characters, line ends and long texts.
func (n Notice) Clean() Notice {
	for _, field := range []*string{&n.Host, &n.Subject, &n.Title, &n.Reply, &n.Advice, &n.Next, &n.Share, &n.URL} {
		*field = oneLine(*field)
	}
	n.Decide = append([]string{}, n.Decide...)
	for i, command := range n.Decide {
		n.Decide[i] = oneLine(command)
	}
	return n
}

// oneLine returns a bounded text without control characters and line ends.
func oneLine(s string) string {
	return short(text.Printable(strings.Join(strings.Fields(short(s)), " ")))
}

// short bounds a text.
func short(s string) string {
	if len(s) <= maxReply {
		return s
	}
	return strings.ToValidUTF8(s[:maxReply], "") + "…"
}

// Headline is the notice in one line.
func (n *Notice) Headline() string {
	ends := ""
	switch {
	case n.State == "over":
		ends = "over: "
	case strings.HasPrefix(n.What, "again-"):
		ends = "still open: "
	}
	if n.Number == 0 { // a test
		return fmt.Sprintf("[%s] %s", n.Host, n.Title)
	}
	return fmt.Sprintf("[%s] #%d %s%s", n.Host, n.Number, ends, n.Title)
}

// Lines is the notice in a few lines. Times are those of the machine.
func (n *Notice) Lines() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	going := ""
	if n.State != "over" {
		going = ", still going on"
	}
	switch {
	case n.Number == 0:
		add("A test at %s: nothing has happened.", local(n.StartedAt))
	case n.Attempts > 0:
		add("%s, %s since %s%s.", text.Amount(n.Addresses, "address"), text.Amount(n.Attempts, "failure"), local(n.StartedAt), going)
	default:
		add("Since %s%s.", local(n.StartedAt), going)
	}
	if n.Share != "" {
		add("%s.", n.Share)
	}
	if n.Harmless {
		add("No address becomes bad because of it.")
	}
	switch {
	case n.State != "over":
	case n.EndedBy == "quiet":
		add("Over at %s: no mail was sent there any more, which does not show that it is fixed.", local(n.OverAt))
	default:
		add("Over at %s.", local(n.OverAt))
	}
	if n.Reply != "" {
		add("Said: %s", n.Reply)
	}
	if n.Advice != "" && n.State != "over" {
		add("Do:   %s", n.Advice)
	}
	if n.State != "over" {
		for _, command := range n.Decide {
			add("Then: %s", command)
		}
	}
	if n.Next != "" {
		add("More: %s", n.Next)
	}
	if n.URL != "" {
		add("Page: %s", n.URL)
	}
	return lines
}

// local returns a stamp as people read it, in the zone of the machine.
func local(stamp string) string {
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return stamp
	}
	return at.Local().Format("2006-01-02 15:04 MST")
}

// sender sends a notice by a channel. An error of type Final is not worth another try.
type sender func(ctx context.Context, c *Channel, n *Notice) error

// kinds are the kinds of channels.
var kinds = map[string]sender{
	"mail":         sendMail,
	"command":      runCommand,
	"json":         postJSON,
	"alertmanager": postAlert,
	"ntfy":         postNtfy,
	"gotify":       postGotify,
	"slack":        postSlack,
}

// timeout is how long a channel may take.
const timeout = 30 * time.Second

// Send sends a notice.
func (c *Channel) Send(ctx context.Context, n Notice) error {
	send := kinds[c.Kind]
	if send == nil {
		return Final{fmt.Errorf("%q is not a kind of channel", c.Kind)}
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	clean := n.Clean()
	return send(ctx, c, &clean)
}

// Final is an error that another try will not change.
type Final struct{ Err error }

func (f Final) Error() string { return f.Err.Error() }

func (f Final) Unwrap() error { return f.Err }

// Pause returns how long to wait after so many failed tries.
func Pause(tries int) time.Duration {
	return min(time.Minute<<min(max(tries-1, 0), 10), time.Hour)
}

func (c *Channel) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// post sends a body and reads the answer.
func (c *Channel) post(ctx context.Context, url string, body []byte, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Final{errors.New("the url of the channel cannot be used")} // it may hold a token
	}
	if header != nil {
		req.Header = header
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", c.UserAgent)
	client := http.Client{
		// A redirect could carry the secret elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s cannot be reached: %w", req.URL.Host, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	err = fmt.Errorf("%s answered %s: %s", req.URL.Host, resp.Status, text.Printable(strings.Join(strings.Fields(string(said)), " ")))
	passes := []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}
	if resp.StatusCode < 500 && !slices.Contains(passes, resp.StatusCode) {
		return Final{err}
	}
	return err
}

func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // of texts and numbers
	}
	return body
}

func bearer(token string) http.Header {
	h := make(http.Header)
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return h
}

// postJSON posts the notice as it is, signed as webhooks are.
func postJSON(ctx context.Context, c *Channel, n *Notice) error {
	body, h := marshal(n), bearer(c.Token)
	h.Set("Idempotency-Key", n.Key)
	if c.Secret != "" {
		h.Set(webhook.SignatureHeader, webhook.Sign(c.Secret, c.now(), body))
	}
	return c.post(ctx, c.URL, body, h)
}
