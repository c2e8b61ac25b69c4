package notify

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"mime"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/mail"
)

// sendMail hands a mail to sendmail.
func sendMail(ctx context.Context, c *Channel, n *Notice) error {
	lines := strings.Join(n.Lines(), "\n") + "\n"
	m := mail.Message{
		To: c.To, Subject: n.Headline(), Date: c.now(), Text: []byte(lines),
		HTML: []byte("<pre>" + html.EscapeString(lines) + "</pre>\n"),
	}
	return m.Send(ctx, c.Sendmail)
}

// runCommand runs a program with the notice as JSON on its standard input. Nothing of
// the notice is part of its arguments.
func runCommand(ctx context.Context, c *Channel, n *Notice) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(marshal(n), '\n')), &said, &said
	if err := mail.Run(cmd); err != nil {
		return mail.Failed("command", c.Command[0], err, short(text.Printable(strings.Join(strings.Fields(said.String()), " "))))
	}
	return nil
}

// openFor is how long Alertmanager takes an alert as firing that it does not hear of
// again.
const openFor = 15 * time.Minute

// postAlert posts to Alertmanager.
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
func postAlert(ctx context.Context, c *Channel, n *Notice) error {
	type alert struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    string            `json:"startsAt"`
		EndsAt      string            `json:"endsAt"`
		Generator   string            `json:"generatorURL,omitempty"`
	}
	ends := n.OverAt
	if ends == "" {
		ends = c.now().Add(openFor).UTC().Format(time.RFC3339)
	}
	return c.post(ctx, strings.TrimSuffix(c.URL, "/")+"/api/v2/alerts", marshal([]alert{{
		Labels: map[string]string{
			"alertname": "BouncetailIncident",
			"instance":  n.Host,
			"kind":      n.Kind,
			"subject":   n.Subject,
			"reason":    n.Reason,
			"incident":  fmt.Sprint(n.Number),
		},
		Annotations: map[string]string{"summary": n.Title, "description": strings.Join(n.Lines(), "\n")},
		StartsAt:    n.StartedAt, EndsAt: ends, Generator: n.URL,
	}}), bearer(c.Token))
}

// postNtfy posts to a topic of ntfy. https://docs.ntfy.sh/publish/
func postNtfy(ctx context.Context, c *Channel, n *Notice) error {
	h := bearer(c.Token)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Title", mime.QEncoding.Encode("utf-8", n.Headline()))
	priority, tag := "high", "warning"
	if n.State == "over" {
		priority, tag = "default", "white_check_mark"
	}
	h.Set("Priority", priority)
	h.Set("Tags", tag)
	if n.URL != "" {
		h.Set("Click", n.URL)
	}
	return c.post(ctx, c.URL, []byte(strings.Join(n.Lines(), "\n")), h)
}

// postGotify posts a message to Gotify. https://gotify.net/docs/pushmsg
func postGotify(ctx context.Context, c *Channel, n *Notice) error {
	h := make(http.Header)
	h.Set("X-Gotify-Key", c.Token)
	priority := 7
	if n.State == "over" {
		priority = 4
	}
	return c.post(ctx, strings.TrimSuffix(c.URL, "/")+"/message", marshal(map[string]any{
		"title": n.Headline(), "message": strings.Join(n.Lines(), "\n"), "priority": priority,
	}), h)
}

// slackEscapes keep <!channel>, <@user> and links of strangers from working.
// https://api.slack.com/reference/surfaces/formatting#escaping
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b")

// postSlack posts a text in Slack's form, which Mattermost, Rocket.Chat, and Discord at
// /slack take too.
func postSlack(ctx context.Context, c *Channel, n *Notice) error {
	lines := append([]string{n.Headline()}, n.Lines()...)
	return c.post(ctx, c.URL, marshal(map[string]string{"text": slackEscapes.Replace(strings.Join(lines, "\n"))}), nil)
}
