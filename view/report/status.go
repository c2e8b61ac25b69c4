package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// Status is the answer to "how is my mail?".
type Status struct {
	Host     string            `json:"host"`
	Hosts    []query.Host      `json:"-"` // of a fleet
	MTA      string            `json:"mta"`
	LastLine *time.Time        `json:"last_line_at"` // of the logs, by their own time; nil if none was read
	LastRead *time.Time        `json:"last_read_at"` // when it was read
	Followed bool              `json:"followed"`     // by a daemon, also if it no longer runs
	Today    query.Day         `json:"today"`        // days are days in UTC
	Previous query.Day         `json:"yesterday"`
	Month    query.Day         `json:"last_30_days"` // Day is the first of them
	Bounced  []int64           `json:"bounced_by_day"`
	States   map[string]int    `json:"recipients"` // by state
	NewBad   int               `json:"new_bad"`    // bad since Midnight
	Midnight time.Time         `json:"midnight"`   // of the zone of the reader
	Yours    []incidents.Shown `json:"yours"`      // problems of the sender that are going on, most failures first
	Gaps     int               `json:"gaps"`       // parts of logs that were destroyed before they were read
	Fleet    *Sending          `json:"fleet,omitempty"`
}

// Sending is how this host sends to its fleet, as its sender noted last.
type Sending struct {
	SeenAt *time.Time `json:"seen_at"` // when the fleet was last reached; nil if it never was
	Behind int64      `json:"behind"`  // failures that it has not got
	Missed int64      `json:"missed"`  // failures that were deleted here before they were sent
	Silent bool       `json:"silent"`  // it was not reached for query.SilentAfter
}

// ReadSending reads how this host sends to its fleet.
func (s *Status) ReadSending(ctx context.Context, r *query.Reader, now time.Time) error {
	sent, behind, err := r.Sent(ctx)
	s.Fleet = &Sending{Behind: behind, Missed: sent.Missed, Silent: now.Sub(sent.At) > query.SilentAfter}
	if !sent.At.IsZero() {
		s.Fleet.SeenAt = &sent.At
	}
	return err
}

// sentence says it in a line.
func (f *Sending) sentence(now time.Time) (style, line string) {
	line = "Fleet: everything was sent"
	if f.Behind > 0 {
		line = "Fleet: " + text.Amount(int(f.Behind), "failure") + " still to be sent"
	}
	switch {
	case f.SeenAt == nil:
		line += ", nothing was sent yet"
	case f.Silent:
		line += ", nothing for " + text.Age(now.Sub(*f.SeenAt))
	default:
		line += ", last contact " + text.Age(now.Sub(*f.SeenAt)) + " ago"
	}
	if f.Missed > 0 {
		style, line = table.Red, line+"; "+text.Amount(int(f.Missed), "failure")+" deleted before it got them"
	}
	if f.Silent {
		style, line = table.Red, line+": is bouncetail-fleet.service running?"
	}
	return style, line
}

// days is the length of the last column of the status.
const days = 30

// fewestAddresses is how many addresses a problem of the sender has to hit to be
// shown. One refused message may be about that message.
const fewestAddresses = 3

// ReadStatus reads the status from a database. The zone of now decides when the day
// of NewBad began.
func ReadStatus(ctx context.Context, r *query.Reader, now time.Time) (*Status, error) {
	s := &Status{
		States:   make(map[string]int),
		Midnight: time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()),
		Yours:    []incidents.Shown{},
	}
	if err := s.readSource(ctx, r); err != nil {
		return nil, err
	}
	if err := s.readDays(ctx, r, now.UTC()); err != nil {
		return nil, err
	}
	states, err := r.States(ctx)
	if err != nil {
		return nil, err
	}
	for _, state := range []bounce.State{bounce.StateBad, bounce.StateSuspect, bounce.StateFailing, bounce.StateOK} {
		s.States[string(state)] = 0
	}
	for _, c := range states {
		s.States[c.Name] = c.N
	}
	if s.NewBad, err = r.NewBad(ctx, s.Midnight); err != nil {
		return nil, err
	}
	open, err := incidents.List(ctx, r.Querier(), incidents.Filter{Open: true, Addresses: fewestAddresses})
	if err != nil {
		return nil, err
	}
	for _, i := range open {
		if i.Ours() {
			s.Yours = append(s.Yours, i)
		}
	}
	slices.SortStableFunc(s.Yours, func(a, b incidents.Shown) int { return cmp.Compare(b.Attempts, a.Attempts) })
	gaps, err := r.Gaps(ctx)
	for _, g := range gaps {
		s.Gaps += g.N
	}
	return s, err
}

// Headline names the server and the age of its last line.
func (s *Status) Headline(now time.Time) string {
	name := s.Host
	if name == "" {
		name = "This server"
	}
	if s.MTA != "" {
		name += " (" + s.MTA + ")"
	}
	if s.LastLine == nil {
		return name + ": no log was read yet"
	}
	return name + ": last line " + text.Age(now.Sub(*s.LastLine)) + " ago"
}

// readSource reads which server the logs are of, and how current they are.
func (s *Status) readSource(ctx context.Context, r *query.Reader) (err error) {
	if r.IsFleet() {
		return s.readHosts(ctx, r)
	}
	if s.Host, s.MTA, err = r.LastHost(ctx); err != nil {
		return err
	}
	if s.Followed, err = r.Followed(ctx); err != nil {
		return err
	}
	streams, err := r.ReadStreams(ctx)
	var line, read time.Time
	for _, stream := range streams {
		if at := logparse.LastLine(stream.Parser); at.After(line) {
			line = at
		}
		if stream.ReadAt.After(read) {
			read = stream.ReadAt
		}
	}
	if len(streams) > 0 {
		if line.IsZero() {
			line = read // lines without a time
		}
		line, read = line.UTC(), read.UTC()
		s.LastLine, s.LastRead = &line, &read
	}
	return err
}

// readHosts reads how the hosts of a fleet are doing.
func (s *Status) readHosts(ctx context.Context, r *query.Reader) (err error) {
	s.Hosts, err = r.Hosts(ctx)
	present := slices.DeleteFunc(slices.Clone(s.Hosts), func(h query.Host) bool { return h.Removed })
	s.Host = "Fleet of " + text.Amount(len(present), "host")
	for i := range s.Hosts {
		if line := s.Hosts[i].LastLine; line != nil && (s.LastLine == nil || line.After(*s.LastLine)) {
			s.LastLine = line
		}
	}
	return err
}

func (s *Status) readDays(ctx context.Context, r *query.Reader, now time.Time) error {
	first := now.AddDate(0, 0, 1-days).Format(time.DateOnly)
	today, yesterday := now.Format(time.DateOnly), now.AddDate(0, 0, -1).Format(time.DateOnly)
	s.Today.Day, s.Previous.Day, s.Month.Day = today, yesterday, first
	read, err := r.Days(ctx, first)
	if err != nil {
		return err
	}
	byDay := make(map[string]query.Day, len(read))
	for _, d := range read {
		if d.Day > today {
			continue // a clock that is ahead
		}
		byDay[d.Day] = d
		s.Month.Delivered += d.Delivered
		s.Month.Deferred += d.Deferred
		s.Month.Bounced += d.Bounced
	}
	if d, ok := byDay[today]; ok {
		s.Today = d
	}
	if d, ok := byDay[yesterday]; ok {
		s.Previous = d
	}
	for i := range days {
		s.Bounced = append(s.Bounced, byDay[now.AddDate(0, 0, i+1-days).Format(time.DateOnly)].Bounced)
	}
	return nil
}
