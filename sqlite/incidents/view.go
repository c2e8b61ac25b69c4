package incidents

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/internal/text"
)

// Shown is an incident as it is listed.
type Shown struct {
	incident.Incident
	Instance string `json:"instance,omitempty"` // the host, in a fleet
	// Others are the incidents of other hosts of the same kind and subject at the same time.
	Others []string `json:"others,omitempty"`
	Reply  string   `json:"reply"` // the last one
	Advice string   `json:"advice"`
}

// Name returns what identifies the incident: its number, in a fleet HOST/NUMBER.
func (s *Shown) Name() string { return s.NameOf(s.ID) }

// NameOf returns the name of another incident of the same host.
func (s *Shown) NameOf(id int64) string {
	if s.Instance == "" {
		return strconv.FormatInt(id, 10)
	}
	return s.Instance + "/" + strconv.FormatInt(id, 10)
}

// ParseName parses the name of an incident.
func ParseName(name string, inFleet bool) (host string, id int64, err error) {
	number := strings.TrimPrefix(name, "#")
	if !inFleet {
		if id, err = strconv.ParseInt(number, 10, 64); err != nil || id < 1 {
			return "", 0, fmt.Errorf("%q is not the number of an incident, such as 17; bouncetail incidents lists them", name)
		}
		return "", id, nil
	}
	slash := strings.LastIndex(number, "/")
	if id, err = strconv.ParseInt(number[slash+1:], 10, 64); err != nil || id < 1 || slash < 1 {
		return "", 0, fmt.Errorf("%q does not name an incident of a host, as mx1/17 does; bouncetail incidents --fleet lists them", name)
	}
	return number[:slash], id, nil
}

// Filter chooses incidents.
type Filter struct {
	Since     string // the last failure, as stored
	Open      bool   // only those that are open
	Addresses int    // at least; see incident.Group for those that are always listed
}

// List returns incidents: those that are open first, then the last to end. A
// blocklisting, and what rang, is listed whatever the number of addresses.
func List(ctx context.Context, db sqldb.Querier, f Filter) ([]Shown, error) {
	all, err := load(ctx, db, `
		WHERE (over_at IS NULL OR last_at >= ?) AND (over_at IS NULL OR NOT ?)
		ORDER BY over_at IS NOT NULL, last_at DESC, id DESC`, f.Since, f.Open)
	if err != nil {
		return nil, err
	}
	shown := make([]Shown, 0, len(all))
	for _, i := range all {
		if !i.Listed(f.Addresses) {
			continue
		}
		s, err := show(ctx, db, i)
		if err != nil {
			return nil, err
		}
		shown = append(shown, *s)
	}
	return shown, nil
}

func show(ctx context.Context, db sqldb.Querier, i *incident.Incident) (*Shown, error) {
	s := &Shown{Incident: *i, Advice: i.Advice()}
	if i.BounceID == 0 {
		return s, nil
	}
	err := db.QueryRowContext(ctx, "SELECT coalesce(reply, '') FROM bounces WHERE id = ?", i.BounceID).Scan(&s.Reply)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil // it was deleted for its age
	}
	return s, err
}

// Failures returns the condition on bounces that chooses the failures of an incident.
// It is empty if the incident has none.
func Failures(i *incident.Incident) (where string, args []any) {
	if where, args = kindred(i); where == "" {
		return "", nil
	}
	return where + " AND occurred_at >= ? AND occurred_at <= ?", append(args, i.StartedAt, i.LastAt)
}

// refused is the condition on bounces that chooses refusals that do not concern a single
// address.
const refused = "scope IN ('sender', 'network', 'message', 'domain') AND reason NOT IN ('greylisted', 'suppressed')"

// kindred is Failures for all time.
func kindred(i *incident.Incident) (where string, args []any) {
	const provider = "(provider = ? OR provider IS NULL AND domain = ?)"
	const notBad = "suppress = 0 AND " // failures that show a bad address make no incident of these kinds
	switch i.Kind {
	case incident.Blocklist:
		where, args = "blocklist = ? AND reason = ?", []any{i.Subject, string(i.Reason)}
	case incident.OwnNetwork:
		where, args = notBad+"scope = 'network' AND reason = ?", []any{string(i.Reason)}
	case incident.ProviderRefuses, incident.Unreachable, incident.OwnServer:
		switch i.Subject {
		case "", bounce.OtherValue:
			where = notBad + "provider IS NULL"
		default:
			where, args = notBad+provider, []any{i.Subject, i.Subject}
		}
		if i.Reason == incident.Mixed {
			where += " AND " + refused
			break
		}
		where, args = where+" AND reason = ?", append(args, string(i.Reason))
		switch i.Scope {
		case bounce.ScopeNetwork, bounce.ScopeDomain: // as in incident.Failure.Cause
			where += " AND scope IN ('network', 'domain')"
		case bounce.ScopeSender:
			where += " AND scope = 'sender' AND blocklist IS NULL" // others are of the incident of that blocklist
		default:
			where, args = where+" AND scope = ?", append(args, string(i.Scope))
		}
	case incident.Drift:
		where, args = provider+" AND "+refused, []any{i.Subject, i.Subject}
	case incident.BadSurge:
		// What the refusals have in common depends on the kind of the crowd. Servers of one
		// operator share their names without the first label.
		where = `suppress = 1 AND (
			    ? IN (domain, provider, relay_host, substr(relay_host, instr(relay_host, '.') + 1), relay_ip)
			    OR reason = 'no-such-domain' AND (? = '' OR instr(reply, ?) > 0)
			)`
		args = []any{i.Subject, i.Subject, i.Subject}
	case incident.BadList:
		where, args = "suppress = 1 AND sender = ?", []any{i.Subject}
	case incident.UnclassifiedSurge:
		where = "category = 'unclassified'"
	case incident.Inactivity, incident.LogStalled, incident.LogGap:
	}
	return where, args
}

// FailuresOf is Failures of the incident with a number.
func FailuresOf(ctx context.Context, db sqldb.Querier, id int64) (where string, args []any, err error) {
	i, err := loadOne(ctx, db, id)
	if err != nil {
		return "", nil, err
	}
	if where, args = Failures(i); where == "" {
		return "", nil, fmt.Errorf("incident %d is not about failures", id)
	}
	return where, args, nil
}

// Silence is a kind of incidents of which no notice is sent.
type Silence struct {
	ID      int64         `json:"id"`
	Kind    incident.Kind `json:"kind"`
	Subject *string       `json:"subject"` // nil is any
	Until   string        `json:"until"`
	Note    string        `json:"note"`
}

// ParseSilence parses KIND or KIND/SUBJECT.
func ParseSilence(given string) (Silence, error) {
	kind, subject, with := strings.Cut(given, "/")
	s := Silence{Kind: incident.Kind(kind)}
	if with {
		s.Subject = &subject
	}
	var known []string
	for _, k := range incident.Kinds {
		known = append(known, string(k.Kind))
	}
	return s, text.OneOf(kind, known)
}

// Silences returns the silences in force.
func Silences(ctx context.Context, db sqldb.Querier, now time.Time) ([]Silence, error) {
	all := []Silence{}
	err := sqldb.ScanAll(ctx, db, `
		SELECT id, kind, subject, until, coalesce(note, '')
		FROM silences
		WHERE until > ?
		ORDER BY id`, func(scan func(...any) error) error {
		var s Silence
		err := scan(&s.ID, &s.Kind, &s.Subject, &s.Until, &s.Note)
		all = append(all, s)
		return err
	}, bounce.Stamp(now))
	return all, err
}

// Silence keeps notices of incidents from being sent until a time. It returns its
// number.
func (w *Watcher) Silence(ctx context.Context, s Silence, now time.Time) (id int64, err error) {
	result, err := w.exec(ctx, `
		INSERT INTO silences (kind, subject, until, note, created_at)
		VALUES (?, ?, ?, nullif(?, ''), ?)`,
		string(s.Kind), s.Subject, s.Until, s.Note, bounce.Stamp(now))
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// EndSilence ends a silence.
func (w *Watcher) EndSilence(ctx context.Context, id int64, now time.Time) error {
	result, err := w.exec(ctx, "UPDATE silences SET until = ?1 WHERE id = ?2 AND until > ?1", bounce.Stamp(now), id)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("there is no silence %d in force; bouncetail incidents silences lists them", id))
	}
	return nil
}
