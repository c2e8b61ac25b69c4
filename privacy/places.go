package privacy

import "slices"

// Content is what a column may reveal about a person, and so what forgetting does
// with it.
type Content uint8

// The kinds of content.
const (
	Impersonal Content = iota // nothing: names of hosts and files, slugs, times, hashes of lines
	Owned                     // the row is about the person: it is deleted by its recipient_key
	Named                     // it may be the person: it becomes NULL
	Quoted                    // it may quote the person: the address is taken out of the text
	Sampled                   // it may quote the person, and the row is not needed: it is deleted
	Queued                    // the memory of package queue about a message
	Parsed                    // the memory of package logparse about a stream
	Packed                    // entries of deliveries, by recipient_key
)

// Table is the content of each column of a table.
type Table map[string]Content

// Holds reports whether a column has a content.
func (t Table) Holds(c Content) bool {
	for _, column := range t {
		if column == c {
			return true
		}
	}
	return false
}

// Scrubbed returns the columns whose values are looked through, sorted.
func (t Table) Scrubbed() []string {
	var columns []string
	for column, c := range t {
		if c != Impersonal && c != Owned && c != Packed {
			columns = append(columns, column)
		}
	}
	slices.Sort(columns)
	return columns
}

// Places describes every column of text or bytes of the database. A column that is
// missing here fails a test of package sqlite, so that the author of one has to decide.
var Places = map[string]Table{
	"bounces": {
		"event_id": Impersonal, "occurred_at": Impersonal, "recipient": Owned, "domain": Impersonal, "original_recipient": Named,
		"sender": Named, "message_id": Quoted, "queue_id": Impersonal, "host": Impersonal, "mta": Impersonal, "outcome": Impersonal,
		"dsn": Impersonal, "enhanced_code": Impersonal, "reply": Quoted, "stage": Impersonal, "relay_host": Impersonal,
		"relay_ip": Impersonal, "category": Impersonal, "reason": Impersonal, "scope": Impersonal, "disposition": Impersonal,
		"rule": Impersonal, "provider": Impersonal, "recipient_logged": Owned, "blocklist": Impersonal, "url": Quoted, "transport": Impersonal, "router": Impersonal,
	},
	"recipients": {
		"recipient": Owned, "domain": Impersonal, "state": Impersonal, "category": Impersonal, "reason": Impersonal,
		"first_failure_at": Impersonal, "last_failure_at": Impersonal, "last_delivery_at": Impersonal, "bad_since": Impersonal,
		"decided_by": Impersonal, "bad_until": Impersonal, "memory": Impersonal,
	},
	"decisions": {
		"recipient": Owned, "domain": Impersonal, "decision": Impersonal, "note": Quoted, "decided_at": Impersonal,
		"until": Impersonal, "ended_at": Impersonal,
	},
	"releases": {
		"since": Impersonal, "until": Impersonal, "category": Impersonal, "domain": Impersonal, "reason": Impersonal,
		"note": Quoted, "released_at": Impersonal, "withdrawn_at": Impersonal,
	},
	"applied_policy":     {"settings": Impersonal, "applied_at": Impersonal},
	"recalls":            {"recalled_at": Owned},
	"pruned_failures":    {"first_failure_at": Owned},
	"deliveries":         {"entries": Packed},
	"recent_deliveries":  {"entries": Packed},
	"successes":          {"ids": Impersonal},
	"daily_reasons":      {"day": Impersonal, "provider": Impersonal, "category": Impersonal, "reason": Impersonal, "scope": Impersonal},
	"metric_totals":      {"name": Impersonal, "labels": Impersonal},
	"provider_windows":   {"provider": Impersonal},
	"provider_baselines": {"provider": Impersonal, "tried": Impersonal, "refused": Impersonal},
	"incidents": {
		"kind": Impersonal, "scope": Impersonal, "category": Impersonal, "reason": Impersonal, "enhanced_code": Impersonal,
		"subject": Sampled, "started_at": Impersonal, "last_at": Impersonal, "opened_at": Impersonal, "rang_at": Impersonal,
		"over_at": Impersonal, "ended_by": Impersonal, "baseline": Impersonal, "p": Impersonal,
	},
	"incident_domains": {"domain": Impersonal},
	"incident_notices": {"channel": Impersonal, "what": Impersonal, "due_at": Impersonal, "sent_at": Impersonal, "error": Quoted},
	"silences":         {"kind": Impersonal, "subject": Sampled, "until": Impersonal, "note": Quoted, "created_at": Impersonal},
	"daily_counts":     {"day": Impersonal, "domain": Impersonal, "sent_slots": Impersonal},
	"daily_traffic":    {"day": Impersonal, "slots": Impersonal},
	"daily_totals":     {"day": Impersonal},
	"crowds": {
		"kind": Impersonal, "unit": Impersonal, "started_at": Impersonal, "last_at": Impersonal, "ended_at": Impersonal, "domains": Impersonal,
	},
	"confirms": {
		"since": Impersonal, "until": Impersonal, "category": Impersonal, "domain": Impersonal, "reason": Impersonal,
		"note": Quoted, "confirmed_at": Impersonal, "withdrawn_at": Impersonal,
	},
	"positions": {
		"source": Impersonal, "path": Impersonal, "cursor": Impersonal, "parser": Parsed, "anchor": Impersonal, "updated_at": Impersonal,
	},
	"queue_entries":  {"host": Impersonal, "mta": Impersonal, "queue_id": Impersonal, "seen_at": Impersonal, "data": Queued},
	"gaps":           {"noticed_at": Impersonal, "source": Impersonal, "path": Impersonal, "why": Impersonal},
	"unparsed_lines": {"mta": Impersonal, "shape": Sampled, "example": Sampled, "last_read_at": Impersonal},
	"meta":           {"name": Impersonal},
	"export_cursors": {"name": Impersonal, "moved_at": Impersonal},
	"forgotten":      {"until": Impersonal},
	"horizons":       {"kind": Impersonal, "since": Impersonal},

	"webhook_cursors":      {"name": Impersonal, "moved_at": Impersonal, "trouble": Impersonal},
	"webhook_dead_letters": {"name": Impersonal, "gave_up_at": Owned, "error": Impersonal},
}

// Erasure takes some people out of stored values.
type Erasure struct {
	*Traces
	Queue, Parser Scrubber // of values of the contents Queued and Parsed
}

// Value returns what is stored instead of a value, and whether it was changed. With
// drop, its row is deleted.
func (e *Erasure) Value(c Content, text string) (value any, changed, drop bool, err error) {
	switch c {
	case Named, Quoted, Sampled:
		rest, found := e.Scrub(text)
		if found && c == Named {
			return nil, true, false, nil
		}
		return rest, found, found && c == Sampled, nil
	case Queued, Parsed:
		scrubber := e.Queue
		if c == Parsed {
			scrubber = e.Parser
		}
		rest, found, err := scrubber([]byte(text), e.Scrub)
		return rest, found, false, err
	case Impersonal, Owned, Packed:
	}
	return text, false, false, nil
}
