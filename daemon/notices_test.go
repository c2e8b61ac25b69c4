package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/incident"
	notices "github.com/bouncetail/bouncetail/output/notify"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

func TestAMailToTheRefusingProviderIsPointedOut(t *testing.T) {
	refuses := &incidents.Shown{Incident: incident.Incident{ID: 17, Kind: incident.ProviderRefuses, Subject: "google"}}
	for to, warned := range map[string]bool{"me@gmail.com": true, "me@GoogleMail.com": true, "me@example.com": false, "me@yahoo.com": false} {
		var log bytes.Buffer
		n := Notify{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}
		n.warnOfMail(&notices.Channel{Name: "me", Kind: "mail", To: []string{to}}, refuses)
		if got := strings.Contains(log.String(), "add another channel"); got != warned {
			t.Errorf("mail to %s: warned %v, want %v", to, got, warned)
		}
	}
}

func TestOnlyMailChannelsAreWarnedOf(t *testing.T) {
	mail := config.Channel{Name: "me", Kind: "mail", To: []string{"a@example.com"}}
	ntfy := config.Channel{Name: "phone", Kind: "ntfy", URL: "https://ntfy.example/x"}
	for _, c := range []struct {
		channels []config.Channel
		warned   bool
	}{{nil, false}, {[]config.Channel{mail}, true}, {[]config.Channel{mail, ntfy}, false}} {
		var settings config.Config
		settings.Incidents.Channels = c.channels
		if got := strings.Contains(strings.Join(channelWarnings(settings), "\n"), "only by mail"); got != c.warned {
			t.Errorf("%v: warned %v, want %v", c.channels, got, c.warned)
		}
	}
}
