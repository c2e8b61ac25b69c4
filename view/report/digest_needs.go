package report

import (
	"context"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// readNeeds gathers what a person has to do, the most urgent first.
func (d *Digest) readNeeds(ctx context.Context, r *query.Reader) error {
	d.Needs = []Need{}
	need := d.need
	if d.Health.Followed && d.Health.Trouble != "" {
		need("systemctl status bouncetail", "%s", d.Health.Trouble)
	}
	for i := range d.Hosts {
		if h := &d.Hosts[i]; h.Silent() {
			need(
				"systemctl status bouncetail-fleet there", "%s was not seen for %s; its figures are missing since",
				h.Name, text.Age(time.Duration(h.SeenAgo)*time.Second),
			)
		}
	}
	d.needIncidents()
	suspect, err := r.Suspect(ctx)
	if suspect > 0 {
		need(
			"bouncetail recipients crowds"+d.flag(), "%s suspect, which may be an outage: confirm or release",
			text.Amount(suspect, "address"),
		)
	}
	if n := d.Health.Gaps; n > 0 {
		need(
			"bouncetail doctor"+d.there(), "%s of logs %s destroyed before they were read",
			text.Amount(n, "part"), text.Verb(n, "was", "were"),
		)
	}
	if n := d.Health.DeadLetters; n > 0 {
		need("bouncetail webhooks", "webhooks refused the change of %s", text.Amount(n, "address"))
	}
	if n := d.Health.Unparsed; n > 0 {
		need("bouncetail doctor"+d.there(), "%s of delivery lines not parsed", text.Amount(n, "shape"))
	}
	if len(d.Unknown) > 0 && d.Unknown[0].Count >= fewestUnknown {
		need("bouncetail unclassified"+d.there(), "a reply that no rule knows came %s times", text.Thousands(int64(d.Unknown[0].Count)))
	}
	return err
}

// flag ends a command that shows the same of a fleet.
func (d *Digest) flag() string {
	if d.Hosts != nil {
		return " --fleet"
	}
	return ""
}

// there ends the name of a command that shows what each host of a fleet has.
func (d *Digest) there() string {
	if d.Hosts != nil {
		return " on the hosts"
	}
	return ""
}

func (d *Digest) need(next, format string, args ...any) {
	d.Needs = append(d.Needs, Need{fmt.Sprintf(format, args...), next})
}

// needIncidents adds the incidents that are the server's own.
func (d *Digest) needIncidents() {
	for i := range d.Incidents {
		if i := &d.Incidents[i]; i.Open() && i.Ours() {
			d.need(
				i.Advice,
				"%s %s%s: %s of %s, still open",
				query.IncidentName(d.Hosts, i.ID),
				What(&i.Incident),
				with(i.Subject),
				text.Amount(i.Attempts, "failure"),
				text.Amount(i.Addresses, "address"),
			)
		}
	}
}

// fewestUnknown is how often an unknown reply has to come to need a rule.
const fewestUnknown = 20
