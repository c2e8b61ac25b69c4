package bounce

import (
	"slices"
	"strings"
)

// MetricType is the type of a metric, as Prometheus names it.
type MetricType string

// The types.
const (
	Counter   MetricType = "counter"
	Gauge     MetricType = "gauge"
	Histogram MetricType = "histogram"
)

// Metric describes a metric. Its name is without the prefix bouncetail_, and that of
// a counter without _total.
type Metric struct {
	Name   string
	Type   MetricType
	Labels []string // sorted
	Help   string
	// Stored means that the value is a row of metric_totals, counted in the transaction
	// of what it counts.
	Stored bool
	// Exporter is the other exporter whose metric it is. It is exposed under its own name,
	// if the settings name the exporter.
	Exporter string
	// Buckets are the upper limits of a histogram, in seconds, without the infinite one.
	Buckets []float64
}

// The names of the metrics that are counted where deliveries are stored.
const (
	MetricAttempts         = "attempts"
	MetricFailures         = "failures"
	MetricProviderFailures = "provider_failures"
	MetricImportedAttempts = "imported_attempts"
	MetricImportedFailures = "imported_failures"
	MetricBlocklist        = "blocklist_failures"
	MetricTurnedBad        = "recipients_turned_bad"
	MetricRecovered        = "recipients_recovered"
	MetricReadLines        = "read_lines"
	MetricReadBytes        = "read_bytes"
	MetricGaps             = "gaps"
	MetricGapBytes         = "gap_bytes"
	MetricUnparsed         = "unparsed_lines"
	MetricEventDelay       = "event_delay_seconds"
	MetricCommit           = "commit_duration_seconds"
	MetricIncidents        = "incidents"
	MetricDeferredByDSN    = "postfix_smtp_deferred_messages_by_dsn"
	MetricBouncedByDSN     = "postfix_smtp_bounced_messages_by_dsn"
	MetricProcessed        = "postfix_smtp_messages_processed"
)

// PostfixExporter is the exporter of which MetricProcessed and those by DSN are.
// https://github.com/Hsn723/postfix_exporter
const PostfixExporter = "postfix_exporter"

// Metrics lists all metrics, in the order in which they are documented.
var Metrics = []Metric{
	{Name: "build_info", Type: Gauge, Labels: []string{"goversion", "revision", "version"}, Help: "Always 1. The labels name the version."},
	{Name: MetricAttempts, Type: Counter, Labels: []string{"outcome", "provider"}, Help: "Delivery attempts, by outcome and provider.", Stored: true},
	{Name: MetricFailures, Type: Counter, Labels: []string{"category", "disposition", "reason", "scope"}, Help: "Failed attempts, by verdict.", Stored: true},
	{Name: MetricProviderFailures, Type: Counter, Labels: []string{"category", "provider"}, Help: "Failed attempts, by provider and category.", Stored: true},
	{Name: MetricImportedAttempts, Type: Counter, Labels: []string{"outcome"}, Help: "Attempts that were more than 15 minutes from the clock when they were read.", Stored: true},
	{Name: MetricImportedFailures, Type: Counter, Labels: []string{"category"}, Help: "Failed attempts that were more than 15 minutes from the clock when they were read.", Stored: true},
	{Name: MetricBlocklist, Type: Counter, Labels: []string{"blocklist"}, Help: "Failed attempts of which the reply names a blocklist.", Stored: true},
	{Name: "recipients", Type: Gauge, Labels: []string{"state"}, Help: "Addresses that ever failed, by state."},
	{Name: "decisions", Type: Gauge, Labels: []string{"decision"}, Help: "Manual decisions in force."},
	{Name: MetricTurnedBad, Type: Counter, Labels: []string{"reason"}, Help: "Addresses that became bad, by the reason of the failure that decided.", Stored: true},
	{Name: MetricRecovered, Type: Counter, Labels: []string{"decided_by"}, Help: "Addresses that are no longer bad, by what decided.", Stored: true},
	{Name: MetricReadLines, Type: Counter, Labels: []string{"source"}, Help: "Lines of logs that were read.", Stored: true},
	{Name: MetricReadBytes, Type: Counter, Labels: []string{"source"}, Help: "Bytes of logs that were read.", Stored: true},
	{Name: MetricGaps, Type: Counter, Labels: []string{"source"}, Help: "Parts of logs that were destroyed before they were read.", Stored: true},
	{Name: MetricGapBytes, Type: Counter, Labels: []string{"source"}, Help: "Their size, as far as it is known.", Stored: true},
	{Name: "log_last_line_timestamp_seconds", Type: Gauge, Labels: []string{"source"}, Help: "When a line of the source was last read."},
	{Name: "log_pending_bytes", Type: Gauge, Labels: []string{"source"}, Help: "Unread bytes of the source; absent if this process cannot see its files."},
	{Name: MetricUnparsed, Type: Counter, Labels: []string{"mta"}, Help: "Delivery lines that were not parsed.", Stored: true},
	{
		Name: MetricEventDelay, Type: Histogram, Help: "Time from the stamp in the log to the commit, without what counts as imported.", Stored: true,
		Buckets: []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900},
	},
	{
		Name: MetricCommit, Type: Histogram, Help: "Duration of commits. Each is counted by the next one.", Stored: true,
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30},
	},
	{Name: "database_bytes", Type: Gauge, Help: "Size of the database file."},
	{Name: "wal_bytes", Type: Gauge, Help: "Size of the write-ahead log."},
	{Name: "database_rows", Type: Gauge, Labels: []string{"table"}, Help: "Rows of the tables that grow with the failures."},
	{Name: "webhook_behind", Type: Gauge, Labels: []string{"name"}, Help: "Changes of recipients that the webhook has not received."},
	{Name: "webhook_dead_letters", Type: Gauge, Labels: []string{"name"}, Help: "Recipients that could not be reported to the webhook."},
	{Name: "webhook_last_success_timestamp_seconds", Type: Gauge, Labels: []string{"name"}, Help: "When the webhook last received something."},
	{Name: "export_cursor_behind", Type: Gauge, Labels: []string{"cursor"}, Help: "Changes of recipients since the last export with the cursor."},
	{Name: "map_entries", Type: Gauge, Labels: []string{"map"}, Help: "Entries of a map for the mail server, when it was last written."},
	{Name: "map_published_timestamp_seconds", Type: Gauge, Labels: []string{"map"}, Help: "When the map was last written: after a change, and at the start of the daemon, or of fleet send with publish.from: fleet."},
	{Name: "config_last_reload_successful", Type: Gauge, Help: "1, or 0 if the daemon keeps its old settings because the new ones are broken."},
	{Name: "config_last_reload_success_timestamp_seconds", Type: Gauge, Help: "When the daemon last read its settings."},
	{Name: "incidents_open", Type: Gauge, Labels: []string{"kind"}, Help: "Open incidents."},
	{Name: MetricIncidents, Type: Counter, Labels: []string{"kind"}, Help: "Incidents that were found, without those of old logs.", Stored: true},
	{Name: MetricProcessed, Type: Counter, Labels: []string{"status"}, Help: "Attempts, by outcome.", Exporter: PostfixExporter},
	{Name: MetricDeferredByDSN, Type: Counter, Labels: []string{"dsn"}, Help: "Deferrals by Postfix, by status code.", Stored: true, Exporter: PostfixExporter},
	{Name: MetricBouncedByDSN, Type: Counter, Labels: []string{"dsn"}, Help: "Bounces by Postfix, by status code.", Stored: true, Exporter: PostfixExporter},
}

// FindMetric returns a metric by its name. It panics if there is none.
func FindMetric(name string) *Metric {
	i := slices.IndexFunc(Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		panic("no metric " + name)
	}
	return &Metrics[i]
}

// LabelsOf returns the labels of a series as they are exposed and stored, for the
// values in the order of the names.
func (m *Metric) LabelsOf(values ...string) string {
	var b strings.Builder
	for i, name := range m.Labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(name + `="`)
		_, _ = labelEscapes.WriteString(&b, strings.ToValidUTF8(values[i], "\uFFFD"))
		b.WriteByte('"')
	}
	return b.String()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// blocklists are the values of the label blocklist, by the end of a blocklist's name.
// The rules find any name in a reply, and the other side chooses that.
var blocklists = []string{
	"spamhaus", "spamcop", "barracuda", "sorbs", "uceprotect", "surbl", "uribl", "abuseat", "mailspike", "junkemailfilter",
	"surriel", "invaluement", "manitu", "s5h", "dronebl", "spameatingmonkey", "blocklist.de", "gbudb", "senderscore",
	"backscatterer", "swinog", "0spam", "nordspam", "spamrats", "cloudmark", "trend micro", "wpbl", "hostkarma", "spfbl",
	"abusix", "proofpoint", "spamrl", "kundenserver", "interserver", "nether",
}

// OtherValue is the value of a label for what no table names.
const OtherValue = "other"

// Blocklists returns the values that BlocklistLabel returns.
func Blocklists() []string { return append(slices.Clone(blocklists), OtherValue) }

// BlocklistLabel returns the maker of a blocklist by its name, or OtherValue.
func BlocklistLabel(name string) string {
	for _, known := range blocklists {
		if at := strings.Index(name, known); at >= 0 && (at == 0 || name[at-1] == '.') {
			return known
		}
	}
	return OtherValue
}
