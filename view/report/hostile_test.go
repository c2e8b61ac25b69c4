package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/page/pagetest"
	"github.com/bouncetail/bouncetail/view/table"
)

// hostile are texts that strangers may put into replies, senders, domains and addresses.
var hostile = pagetest.Hostile()

// hostileDigest has a hostile text wherever a stranger may put one.
func hostileDigest(t *testing.T, foreign string) *Digest {
	t.Helper()
	now := time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC)
	d, err := newDigest(DigestOptions{Since: now.AddDate(0, 0, -7), Until: now.Truncate(24 * time.Hour), Now: now, Trouble: foreign})
	if err != nil {
		t.Fatal(err)
	}
	n := number(foreign, 3, 1)
	d.Host, d.MTA = foreign, foreign
	d.Needs = []Need{{foreign, foreign}}
	d.Numbers = []Number{number("delivered", 3, 1), number("deferred", 1, 0), number("bounced", 0, 0), number("expired", 0, 2)}
	d.Days = make([]query.Outcomes, 7)
	for i := range d.Days {
		d.Days[i] = query.Outcomes{Day: d.from.AddDate(0, 0, i).Format(time.DateOnly), Bounced: int64(i)}
	}
	d.Providers = []ProviderCount{{n, foreign}}
	d.Reasons = []ReasonNumber{{n, bounce.Category(foreign), foreign}}
	d.NewlyBad = NewlyBad{Number: n, Reasons: []Number{n}, Addresses: []query.BadAddress{{Recipient: foreign, Reason: bounce.Reason(foreign), Since: foreign}}}
	d.Senders = []SenderCount{{&foreign, 3, 1, foreign}}
	d.Incidents = []incidents.Shown{{Incident: incident.Incident{Reason: bounce.Reason(foreign), Subject: foreign, StartedAt: foreign, LastAt: foreign}, Reply: foreign}}
	d.Unknown = []UnknownReply{{3, foreign}}
	d.Health = DigestHealth{Followed: true, Trouble: foreign}
	return d
}

// The elements and attributes that the templates and the charts write.
var known = pagetest.Known{
	Elements: strings.Fields("html head meta title style body main section header h1 h2 p ul li div table thead tbody tr th td caption " +
		"figure figcaption strong details summary svg desc defs pattern rect path line circle text"),
	Attributes: strings.Fields("lang charset data-head http-equiv content name class scope style cellspacing cellpadding width height valign align bgcolor " +
		"xmlns viewBox role aria-labelledby aria-hidden preserveAspectRatio id d x y x1 x2 y1 y2 r cx cy fill patternUnits text-anchor"),
}

func TestHostileTextIsOnlyTextInHTML(t *testing.T) {
	zone := table.Zone{Location: time.UTC}
	for _, foreign := range hostile {
		d := hostileDigest(t, foreign)
		m, err := d.Mail(zone)
		if err != nil {
			t.Fatal(err)
		}
		for kind, page := range map[string][]byte{"file": m.File, "mail": m.HTML} {
			shown, _ := known.Parse(t, kind, bytes.NewReader(page))
			shown = strings.Join(strings.Fields(shown), " ")
			want := strings.Join(strings.Fields(text.Printable(foreign[:min(len(foreign), 999)])), " ")
			if !strings.Contains(shown, want) {
				t.Errorf("the %s does not show %.60q", kind, want)
			}
		}
	}
}

func TestHostileTextStaysInItsPlaceInText(t *testing.T) {
	for _, foreign := range hostile {
		d := hostileDigest(t, foreign)
		var out bytes.Buffer
		if err := d.PrintText(&table.Screen{Out: &out}, table.Zone{Location: time.UTC}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if strings.ContainsFunc(line, text.Obeyed) {
				t.Errorf("%.40q: a control character in %q", foreign, line)
			}
			if n := text.Columns(line); n > 80 {
				t.Errorf("%.40q: a line of %d columns: %.100q", foreign, n, line)
			}
		}
		if subject := d.Subject(); strings.ContainsFunc(subject, text.Obeyed) || text.Columns(subject) > 150 {
			t.Errorf("%.40q: subject %.100q", foreign, subject)
		}
	}
}

func TestHostileTextInJSONIsEscaped(t *testing.T) {
	for _, foreign := range hostile {
		var out bytes.Buffer
		if err := table.Objects(&out).Encode(hostileDigest(t, foreign)); err != nil {
			t.Fatal(err)
		}
		if line := strings.TrimSuffix(out.String(), "\n"); strings.ContainsFunc(line, text.Obeyed) {
			t.Errorf("%.40q: a control character in the JSON", foreign)
		}
	}
}
