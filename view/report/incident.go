package report

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/view/table"
)

// IncidentColumns are the columns of the list of incidents.
var IncidentColumns = []table.Column{
	{Key: "id"},
	{Key: "state"},
	{Key: "started_at", Time: true},
	{Key: "last_at", Keep: 3, Time: true},
	{Key: "what", Long: true},
	{Key: "where", Keep: 4, Long: true},
	{Key: "addresses", Keep: 5},
	{Key: "kind", More: true},
	{Key: "over_at", Time: true, More: true},
	{Key: "ended_by", More: true},
	{Key: "rang_at", Time: true, More: true},
	{Key: "attempts", More: true},
	{Key: "domains", More: true},
	{Key: "part_of", More: true},
	{Key: "reply", Long: true, More: true},
}

// IncidentCells returns the cells of an incident in those columns.
func IncidentCells(i *incidents.Shown) []any {
	id, partOf := any(i.ID), any(nil)
	if i.PartOf != 0 {
		partOf = i.PartOf
	}
	if i.Instance != "" {
		id = i.Name()
	}
	return []any{
		id, incidentState(&i.Incident), table.Stamp(i.StartedAt), table.Stamp(i.LastAt), What(&i.Incident), Where(i), i.Addresses,
		string(i.Kind), stampOrNil(i.OverAt), string(i.EndedBy), stampOrNil(i.RangAt), i.Attempts, i.Domains, partOf, i.Reply,
	}
}

// Where returns what an incident is about, and its like at other hosts.
func Where(i *incidents.Shown) string {
	if len(i.Others) == 0 {
		return i.Subject
	}
	return strings.TrimPrefix(i.Subject+", also "+strings.Join(i.Others, " "), ", ")
}

// SilenceColumns are the columns of the list of silences.
var SilenceColumns = []table.Column{
	{Key: "id"},
	{Key: "kind"},
	{Key: "subject", Long: true},
	{Key: "until", Time: true},
	{Key: "note", Keep: 2, Long: true},
}

// SilenceCells returns a row of the list of silences.
func SilenceCells(s *incidents.Silence) []any {
	subject := any(nil)
	if s.Subject != nil {
		subject = *s.Subject
	}
	return []any{s.ID, string(s.Kind), subject, table.Stamp(s.Until), s.Note}
}

func stampOrNil(stored string) any {
	if stored == "" {
		return nil
	}
	return table.Stamp(stored)
}

func incidentState(i *incident.Incident) string {
	if i.Open() {
		return "open"
	}
	return "over"
}

// What names the problem in a word: the reason, or the kind if there is none.
func What(i *incident.Incident) string {
	switch i.Kind {
	case incident.BadSurge, incident.BadList, incident.Inactivity, incident.LogStalled, incident.LogGap,
		incident.UnclassifiedSurge, incident.Drift:
		return string(i.Kind)
	case incident.ProviderRefuses, incident.Blocklist, incident.OwnNetwork, incident.OwnServer, incident.Unreachable:
	}
	return string(i.Reason)
}

// Title says in one sentence what an incident is.
func Title(i *incident.Incident) string {
	who := text.Printable(i.Subject)
	reason := reasonMeaning(i.Reason)
	switch i.Kind {
	case incident.ProviderRefuses:
		if who == "" || who == bounce.OtherValue {
			who = "Servers of no known provider"
			return who + " refuse your mail: " + reason
		}
		return who + " refuses your mail: " + reason
	case incident.Blocklist:
		if i.Reason == bounce.DomainBlocklisted {
			return "Your domain, or one in your mail, is on the blocklist " + who
		}
		return "Your IP is on the blocklist " + who
	case incident.OwnNetwork:
		return "Many domains cannot be reached: " + reason
	case incident.OwnServer:
		return "Your own server fails: " + reason
	case incident.Unreachable:
		if i.Scope != bounce.ScopeNetwork {
			return who + " does not accept your mail: " + reason
		}
		return who + " cannot be reached: " + reason
	case incident.Inactivity:
		return "No mail is sent any more"
	case incident.BadSurge:
		if who == "" {
			who = "several domains"
		}
		return "Addresses of " + who + " that accepted mail are refused together"
	case incident.BadList:
		return who + " writes to many addresses that do not exist"
	case incident.UnclassifiedSurge:
		return "A reply that no rule knows arrives often: " + who
	case incident.LogStalled:
		return "The log " + who + " has new lines, and none is read"
	case incident.Drift:
		return who + " refuses a growing share of your mail"
	case incident.LogGap:
		return "A part of the log " + who + " was destroyed before it was read"
	}
	return string(i.Kind)
}

// Share describes the refusals that the detector found, or an empty text.
func Share(i *incident.Incident) string {
	share := func(refused, tried int) float64 { return 100 * float64(refused) / float64(tried) }
	switch {
	case i.Tried == 0:
		return ""
	case i.Kind == incident.Drift:
		return fmt.Sprintf(
			"%.1f %% of %s of a week refused, %.1f %% four weeks before",
			share(i.Refused, i.Tried), text.Amount(i.Tried, "first attempt"), 100*i.Baseline,
		)
	}
	return fmt.Sprintf(
		"%.0f %% of %s refused when it was found, usually %.1f %%",
		share(i.Refused, i.Tried), text.Amount(i.Tried, "first attempt"), 100*i.Baseline,
	)
}

func reasonMeaning(r bounce.Reason) string {
	if r == incident.Mixed {
		return "several reasons"
	}
	for i := range bounce.Reasons {
		if bounce.Reasons[i].Reason == r {
			return bounce.Reasons[i].Means
		}
	}
	return string(r)
}

// CrowdReader reads crowds: from the database, or from a fleet.
type CrowdReader interface {
	Crowds(ctx context.Context, since string) ([]recipient.Crowd, error)
}

// commandsFor returns the commands that show more of an incident, or decide about it.
func commandsFor(ctx context.Context, r CrowdReader, d *incidents.Details, now time.Time) (commands []string, err error) {
	if where, _ := incidents.Failures(&d.Incident); where != "" {
		which := "--incident " + d.Name()
		if d.Instance != "" {
			which += " --fleet"
		}
		commands = append(commands, "bouncetail top senders "+which, "bouncetail recipients "+which)
	}
	decide, err := CrowdCommands(ctx, r, &d.Incident, now)
	return append(commands, decide...), err
}

// CrowdCommands returns the commands that confirm or release the addresses of an incident
// of the kind bad-surge.
func CrowdCommands(ctx context.Context, r CrowdReader, i *incident.Incident, now time.Time) (commands []string, err error) {
	if i.Kind != incident.BadSurge {
		return nil, nil
	}
	crowds, err := r.Crowds(ctx, i.StartedAt)
	for n := range crowds {
		if crowds[n].Unit.Name == i.Subject {
			c := NewCrowd(&crowds[n], i.Subject, now)
			commands = append(commands, c.Confirm, c.Release)
		}
	}
	return slices.DeleteFunc(commands, func(c string) bool { return c == "" }), err
}

// PrintIncident shows one incident.
func PrintIncident(ctx context.Context, r CrowdReader, out *table.Screen, zone table.Zone, d *incidents.Details, now time.Time) error {
	commands, err := commandsFor(ctx, r, d, now)
	if err != nil {
		return err
	}
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintln(&b, out.Hang(fmt.Sprintf("  %-8s", label), text.Printable(fmt.Sprintf(format, args...))))
	}
	fmt.Fprintln(&b, out.Prose(fmt.Sprintf("#%s %s", d.Name(), Title(&d.Incident))))
	line("since", "%s (%s), %s", zone.Short(d.StartedAt), zone.Name(), lasts(zone, d))
	if d.Attempts > 0 {
		line("hit", "%s, %s, %s", text.Amount(d.Attempts, "failure"), text.Amount(d.Addresses, "address"), text.Amount(d.Domains, "domain"))
	}
	if share := Share(&d.Incident); share != "" {
		line("share", "%s", share)
	}
	if len(d.Others) > 0 {
		line("also", "at other hosts at the same time: #%s", strings.Join(d.Others, ", #"))
	}
	if d.PartOf != 0 {
		line("part", "of #%s, which began first", d.NameOf(d.PartOf))
	}
	if len(d.Parts) > 0 {
		names := make([]string, len(d.Parts))
		for i, id := range d.Parts {
			names[i] = "#" + d.NameOf(id)
		}
		line("parts", "%s", strings.Join(names, ", "))
	}
	if len(d.Hours) > 0 {
		line("by hour", "%s", hours(zone, d.Hours))
	}
	if len(d.Receivers) > 1 || d.Kind == incident.Blocklist && len(d.Receivers) > 0 {
		line("at", "%s", counts(d.Receivers))
	}
	if len(d.Senders) > 0 {
		line("senders", "%s", counts(d.Senders))
	}
	for _, r := range d.Replies {
		line("said", "%s× %s", text.Thousands(int64(r.N)), strings.TrimSpace(r.Name))
	}
	if len(d.States) > 0 {
		line("now", "%s", counts(d.States))
	}
	line("do", "%s", d.Advice)
	switch d.Kind {
	case incident.ProviderRefuses, incident.Blocklist, incident.OwnNetwork, incident.OwnServer:
		line("fixed?",
			"Nothing has to be released: these failures make no address bad. The incident ends by itself. Mail that bounced is not sent again.",
		)
	default: // what it means for addresses differs
	}
	for _, c := range commands {
		line("then", "%s", c)
	}
	_, err = io.WriteString(out.Out, b.String())
	return err
}

func lasts(zone table.Zone, d *incidents.Details) string {
	switch {
	case d.Open():
		return "still open, last failure " + zone.Short(d.LastAt)
	case d.EndedBy == incident.ByQuiet:
		return "over at " + zone.Short(d.OverAt) + ": no mail was sent there any more, which does not show that it is fixed"
	case d.Kind == incident.Drift:
		return "over at " + zone.Short(d.OverAt) + ": the share has not risen any more"
	case d.EndedBy == incident.ByDelivery:
		return "over at " + zone.Short(d.OverAt) + ": mail is accepted again"
	}
	return "over, last failure " + zone.Short(d.LastAt)
}

func counts(all []incidents.Count) string {
	parts := make([]string, len(all))
	for i, c := range all {
		name := c.Name
		if name == "" {
			name = "<>"
		}
		parts[i] = fmt.Sprintf("%s %s", name, text.Thousands(int64(c.N)))
	}
	return strings.Join(parts, ", ")
}

// hours shows the last hours with the local hour of the first and the last.
func hours(zone table.Zone, all []incidents.Count) string {
	const most = 48
	all = all[max(0, len(all)-most):]
	var numbers []int64
	var first, last time.Time
	for _, c := range all {
		at, err := time.Parse("2006-01-02T15", c.Name)
		if err != nil {
			continue
		}
		if first.IsZero() {
			first = at
		}
		for ; !last.IsZero() && last.Add(time.Hour).Before(at) && len(numbers) < most; last = last.Add(time.Hour) {
			numbers = append(numbers, 0)
		}
		numbers, last = append(numbers, int64(c.N)), at
	}
	if first.Equal(last) {
		return fmt.Sprintf("%s %s", first.In(zone.Location).Format("15h"), text.Sparkline(numbers))
	}
	return fmt.Sprintf("%s %s %s", first.In(zone.Location).Format("15h"), text.Sparkline(numbers), last.In(zone.Location).Format("15h"))
}
