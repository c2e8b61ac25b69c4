package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/filelock"
	notices "github.com/bouncetail/bouncetail/output/notify"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

// Notify sends the notices that are due. The daemon cannot do it: its sandbox has no
// network, and a sendmail with set-uid or set-gid rights does not work in it.
type Notify struct {
	Config  config.Config
	Version string
	Log     *slog.Logger
	Now     func() time.Time
}

// maxTries is after how many tries a notice is given up, which takes three days.
const maxTries = 80

// Run sends what is due, and returns how many notices were sent and how many could not
// be. A channel whose secret cannot be read is an error too, and the others get theirs.
// Two processes at once send each notice once: the second one finds nothing to do.
func (n *Notify) Run(ctx context.Context) (sent, failed int, err error) {
	lock, err := dbfile.OpenLock(n.Config.Database + ".notify.lock")
	if err != nil {
		return 0, 0, err
	}
	defer lock.Close()
	if err := filelock.TryExclusive(lock); errors.Is(err, filelock.ErrLocked) {
		n.Log.Info("another bouncetail notify is sending")
		return 0, 0, nil
	} else if err != nil {
		return 0, 0, err
	}
	channels, broken := n.channels()
	w, err := incidents.Open(ctx, n.Config.Database)
	if err != nil {
		return 0, 0, err
	}
	defer w.Close()
	due, err := w.Due(ctx, n.Now())
	if err != nil {
		return 0, 0, err
	}
	for i := range due {
		d := &due[i]
		c, err := channels[d.Channel], broken[d.Channel]
		switch {
		case err != nil:
		case c == nil:
			continue // it is not in the settings any more, or not yet
		default:
			if c.Kind == "mail" {
				n.warnOfMail(c, d.Incident)
			}
			err = c.Send(ctx, n.notice(ctx, d.Incident, d.What))
		}
		if ctx.Err() != nil {
			return sent, failed, ctx.Err()
		}
		if err == nil {
			sent++
			err = w.Sent(ctx, d, n.Now())
		} else {
			failed++
			n.Log.Error("notice not sent", "incident", d.Incident.ID, "what", d.What, "channel", d.Channel, "error", err)
			var final notices.Final
			gaveUp := errors.As(err, &final) || d.Tries+1 >= maxTries
			err = w.Failed(ctx, d, err.Error(), n.Now().Add(notices.Pause(d.Tries+1)), gaveUp)
		}
		if err != nil {
			return sent, failed, err
		}
	}
	return sent, failed, errors.Join(append(slices.Collect(maps.Values(broken)), n.refresh(ctx, w, channels))...)
}

// refresh reports the open incidents to Alertmanager, which resolves an alert that is
// not repeated.
func (n *Notify) refresh(ctx context.Context, w *incidents.Watcher, channels map[string]*notices.Channel) error {
	for name, c := range channels {
		if c.Kind != "alertmanager" {
			continue
		}
		open, err := w.Ringing(ctx)
		if err != nil {
			return err
		}
		for _, i := range open {
			if err := c.Send(ctx, n.notice(ctx, i, "open")); err != nil {
				n.Log.Error("cannot report an open incident to Alertmanager", "incident", i.ID, "channel", name, "error", err)
			}
		}
	}
	return nil
}

// channels returns the channels of the settings by name, with their secrets read, and
// the errors of those whose secrets cannot be read.
func (n *Notify) channels() (all map[string]*notices.Channel, broken map[string]error) {
	all, broken = make(map[string]*notices.Channel), make(map[string]error)
	for i := range n.Config.Incidents.Channels {
		name := n.Config.Incidents.Channels[i].Name
		c, err := n.channel(&n.Config.Incidents.Channels[i])
		if err != nil {
			broken[name] = fmt.Errorf("channel %s: %w", name, err)
			continue
		}
		all[name] = c
	}
	return all, broken
}

func (n *Notify) channel(c *config.Channel) (*notices.Channel, error) {
	secret, err := secretOf("secret_file", c.Secret, c.SecretFile)
	if err != nil {
		return nil, err
	}
	token, err := secretOf("token_file", c.Token, c.TokenFile)
	if err != nil {
		return nil, err
	}
	return &notices.Channel{
		Name: c.Name, Kind: c.Kind, To: c.To, Command: c.Command, URL: c.URL, Secret: secret, Token: token,
		Sendmail: n.Config.Report.Sendmail, UserAgent: "bouncetail/" + n.Version, Now: n.Now,
	}, nil
}

// Test sends a test notice by a channel.
func (n *Notify) Test(ctx context.Context, name string) error {
	for i := range n.Config.Incidents.Channels {
		if c := &n.Config.Incidents.Channels[i]; c.Name == name {
			channel, err := n.channel(c)
			if err != nil {
				return err
			}
			at := n.Now()
			return channel.Send(ctx, notices.Notice{
				Key:       fmt.Sprintf("%s-test-%d", hostName(), at.Unix()),
				What:      "test",
				Host:      hostName(),
				Kind:      "test",
				State:     "open",
				Title:     "Test of the channel " + name,
				StartedAt: at.UTC().Format(time.RFC3339),
				LastAt:    at.UTC().Format(time.RFC3339),
				Next:      "bouncetail incidents",
				URL:       n.Config.Web.Page("incidents"),
			})
		}
	}
	if len(n.Config.Incidents.Channels) == 0 {
		return errors.New("the settings have no channel; add one to incidents.channels, as docs/incidents.md shows")
	}
	var names []string
	for _, c := range n.Config.Incidents.Channels {
		names = append(names, c.Name)
	}
	return fmt.Errorf("there is no channel %q in incidents.channels; there is %s", name, strings.Join(names, ", "))
}

// notice describes an incident.
func (n *Notify) notice(ctx context.Context, i *incidents.Shown, what string) notices.Notice {
	state := "open"
	if !i.Open() {
		state = "over"
	}
	return notices.Notice{
		Key:       fmt.Sprintf("%s-%d-%s", hostName(), i.ID, what),
		What:      what,
		Host:      hostName(),
		Number:    i.ID,
		Kind:      string(i.Kind),
		Subject:   i.Subject,
		Reason:    string(i.Reason),
		Title:     report.Title(&i.Incident),
		State:     state,
		StartedAt: i.StartedAt,
		LastAt:    i.LastAt,
		OverAt:    i.OverAt,
		EndedBy:   string(i.EndedBy),
		Attempts:  i.Attempts,
		Addresses: i.Addresses,
		Domains:   i.Domains,
		Share:     report.Share(&i.Incident),
		Harmless:  i.Attempts > 0 && i.Scope != bounce.ScopeRecipient && i.Scope != "",
		Reply:     i.Reply,
		Advice:    i.Advice,
		Next:      fmt.Sprintf("bouncetail incidents %d", i.ID),
		Decide:    n.crowdCommands(ctx, i),
		URL:       n.Config.Web.Page("incidents/" + strconv.FormatInt(i.ID, 10)),
	}
}

// crowdCommands returns the commands that decide about addresses that became suspect
// together. A notice without them is better than none.
func (n *Notify) crowdCommands(ctx context.Context, i *incidents.Shown) []string {
	if i.Kind != incident.BadSurge || !i.Open() {
		return nil
	}
	r, err := query.OpenReader(ctx, n.Config.Database)
	if err != nil {
		n.Log.Error("cannot read the commands for a notice", "incident", i.ID, "error", err)
		return nil
	}
	defer r.Close()
	commands, err := report.CrowdCommands(ctx, r, &i.Incident, n.Now())
	if err != nil {
		n.Log.Error("cannot read the commands for a notice", "incident", i.ID, "error", err)
	}
	return commands
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "this server"
	}
	return name
}

// warnOfMail warns that a mail about an incident may not arrive because of it.
func (n *Notify) warnOfMail(c *notices.Channel, i *incidents.Shown) {
	if i.Kind != incident.ProviderRefuses || !i.Open() {
		return
	}
	for _, to := range c.To {
		if domain := to[strings.LastIndexByte(to, '@')+1:]; providerOf(domain) == i.Subject || domain == i.Subject {
			n.Log.Warn("the mail goes to the provider that refuses mail; add another channel",
				"channel", c.Name, "incident", i.ID, "provider", i.Subject)
		}
	}
}

// providerOf returns the provider of the addresses of a domain, or "".
func providerOf(domain string) string { return classify.ProviderOf(strings.ToLower(domain)) }

// checkChannels returns the errors of the secrets of the channels.
func checkChannels(c config.Config) error {
	var errs []error
	n := Notify{Config: c}
	for i := range c.Incidents.Channels {
		if _, err := n.channel(&c.Incidents.Channels[i]); err != nil {
			errs = append(errs, fmt.Errorf("incidents.channels[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

// channelWarnings returns what may be wrong with the channels of the settings.
func channelWarnings(c config.Config) []string {
	mails := func(channel config.Channel) bool { return channel.Kind == "mail" }
	all := c.Incidents.Channels
	var warnings []string
	if len(all) > 0 && !slices.ContainsFunc(all, func(channel config.Channel) bool { return !mails(channel) }) {
		warnings = append(warnings,
			"incidents.channels: notices go out only by mail, which may be what is broken; add a channel of another kind",
		)
	}
	if slices.ContainsFunc(all, mails) || len(c.Report.Mail) > 0 {
		if _, err := os.Stat(c.Report.Sendmail); errors.Is(err, os.ErrNotExist) {
			warnings = append(warnings, fmt.Sprintf(
				"report.sendmail: %s does not exist; install a mail server, or name the sendmail of yours",
				c.Report.Sendmail,
			))
		}
	}
	return warnings
}
