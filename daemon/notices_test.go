package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	notices "github.com/bouncetail/bouncetail/output/notify"
	"github.com/bouncetail/bouncetail/sqlite"
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

func TestAMissingSendmailIsWarnedOfWhereItIsUsed(t *testing.T) {
	for _, c := range []struct {
		change func(*config.Config)
		warned bool
	}{
		{func(*config.Config) {}, false},
		{func(s *config.Config) { s.Report.Mail = []string{"a@example.com"} }, true},
		{func(s *config.Config) { s.Incidents.Channels = []config.Channel{{Name: "me", Kind: "mail"}} }, true},
		{func(s *config.Config) { s.Incidents.Channels = []config.Channel{{Name: "phone", Kind: "ntfy"}} }, false},
		{func(s *config.Config) { s.Report.Mail, s.Report.Sendmail = []string{"a@example.com"}, "/bin/sh" }, false},
	} {
		settings := config.Default()
		settings.Report.Sendmail = filepath.Join(t.TempDir(), "sendmail")
		c.change(&settings)
		if got := strings.Contains(strings.Join(channelWarnings(settings), "\n"), "report.sendmail: "+settings.Report.Sendmail+" does not exist"); got != c.warned {
			t.Errorf("%v, %v: warned %v, want %v", settings.Report, settings.Incidents.Channels, got, c.warned)
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

func TestAChannelWithoutItsSecretDoesNotStopTheOthers(t *testing.T) {
	var told int
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		told++
	}))
	defer server.Close()
	settings := config.Default()
	settings.Database = filepath.Join(t.TempDir(), "b.db")
	missing := filepath.Join(t.TempDir(), "secret")
	settings.Incidents.Channels = []config.Channel{
		{Name: "broken", Kind: "json", URL: server.URL, SecretFile: missing},
		{Name: "good", Kind: "json", URL: server.URL},
	}
	s, err := sqlite.Open(t.Context(), settings.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db := sqldb.Connect(settings.Database, "rw", "")
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `
		INSERT INTO incidents (id, kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, backlog, attempts, addresses, domains, bounce_id)
		VALUES (1, 'blocklist', 'sender', 'sender-reputation', 'ip-blocklisted', '', 'zen.spamhaus.org', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 0, 7, 6, 5, 1);
		INSERT INTO incident_notices (incident, channel, what, due_at, tries, gave_up) VALUES (1, 'broken', 'opened', '2026-01-01T00:00:00.000Z', 0, 0), (1, 'good', 'opened', '2026-01-01T00:00:00.000Z', 0, 0)`)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n := Notify{Config: settings, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}
	sent, failed, err := n.Run(t.Context())
	want := "channel broken: secret_file: cannot read " + missing + ": no such file"
	if sent != 1 || failed != 1 || told != 1 || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%d sent, %d failed, %d told, %v; want 1, 1, 1, %q", sent, failed, told, err, want)
	}
	if !strings.Contains(log.String(), want) {
		t.Errorf("the log does not name the file: %s", log.String())
	}
	var tries int
	if err := db.QueryRowContext(t.Context(), "SELECT tries FROM incident_notices WHERE channel = 'broken' AND sent_at IS NULL AND gave_up = 0 AND due_at > '2026-02'").Scan(&tries); err != nil || tries != 1 {
		t.Errorf("the notice is not to be tried again: %d tries, %v", tries, err)
	}
	checked, err := Check(t.Context(), settings, nil, CheckOptions{})
	if want := "incidents.channels[0].secret_file: cannot read " + missing; err == nil || !strings.Contains(strings.Join(checked.Errors, "\n"), want) {
		t.Errorf("check-config reports %q, want %q", checked.Errors, want)
	}
}
