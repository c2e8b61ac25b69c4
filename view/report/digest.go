package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Digest is what bouncetail report shows: a span of whole days in UTC against the span
// of the same length before it.
type Digest struct {
	Host      string            `json:"host"`
	MTA       string            `json:"mta"`
	Hosts     []query.Host      `json:"hosts,omitempty"`    // of a fleet
	Provider  string            `json:"provider,omitempty"` // the only one that is shown; empty is all
	First     string            `json:"first_day"`          // YYYY-MM-DD
	Last      string            `json:"last_day"`
	Before    string            `json:"compared_from"` // the first day of the span before
	Needs     []Need            `json:"needs_you"`
	Numbers   []Number          `json:"numbers"`
	Days      []query.Outcomes  `json:"days"`
	Since     string            `json:"counted_since,omitempty"` // the first day with attempts by provider, if it is not before the spans
	Providers []ProviderCount   `json:"providers"`               // by failures, at most maxRows
	Reasons   []ReasonNumber    `json:"reasons"`
	NewlyBad  NewlyBad          `json:"newly_bad"`
	Senders   []SenderCount     `json:"senders"`
	Incidents []incidents.Shown `json:"incidents"`
	Replies   []UnknownReply    `json:"replies,omitempty"` // of the provider
	Unknown   []UnknownReply    `json:"unknown_replies"`
	Health    DigestHealth      `json:"health"`
	URL       string            `json:"url,omitempty"` // of the pages of the web interface

	from, to, now time.Time
	time          time.Duration // see DigestOptions
}

// Need is something that a person has to do.
type Need struct {
	What string `json:"what"`
	Next string `json:"next"` // a command or an advice
}

// Number is a count in the span and in the one before.
type Number struct {
	Name   string   `json:"name"`
	N      int64    `json:"count"`
	Before int64    `json:"before"`
	Change *float64 `json:"change"` // 0.5 is half more; nil if nothing was before
}

func number(name string, n, before int64) Number {
	c := Number{Name: name, N: n, Before: before}
	if before > 0 {
		change := float64(n-before) / float64(before)
		c.Change = &change
	}
	return c
}

// ProviderCount is a provider by the failures of mail to it.
type ProviderCount struct {
	Number
	Mostly string `json:"mostly"` // category / reason
}

// ReasonNumber is a reason of failures.
type ReasonNumber struct {
	Number                   // its name is the reason
	Category bounce.Category `json:"category"`
	Advice   string          `json:"advice"`
}

// NewlyBad are the addresses that turned bad and are bad.
type NewlyBad struct {
	Number
	Reasons   []Number           `json:"reasons"`
	Addresses []query.BadAddress `json:"addresses"` // the last ones
	Hashed    bool               `json:"hashed"`    // addresses are stored as hashes and not listed
}

// SenderCount is an envelope sender by its failures.
type SenderCount struct {
	Sender   *string `json:"sender"` // nil if it is not known; "" is the null sender
	Failed   int     `json:"failed"`
	Suppress int     `json:"suppress"` // of these, about an address that is bad
	Mostly   string  `json:"mostly"`
}

// UnknownReply is a reply that no rule knows.
type UnknownReply struct {
	Count   int    `json:"count"`
	Example string `json:"example"`
}

// DigestHealth is how well the logs were read.
type DigestHealth struct {
	Followed    bool       `json:"followed"`     // by a daemon
	Trouble     string     `json:"trouble"`      // of the daemon, "" if it has none
	LastLine    *time.Time `json:"last_line_at"` // of the logs
	Gaps        int        `json:"gaps"`         // parts of logs that were lost
	Unparsed    int        `json:"unparsed"`     // shapes of delivery lines
	DeadLetters int        `json:"dead_letters"` // changes that webhooks refused
	Sampled     int        `json:"sampled"`      // failures whose senders are counted, the last ones; 0 is all
	// UnknownSampled is how many unknown replies are counted, the last ones; 0 is all.
	UnknownSampled int `json:"unknown_sampled"`
}

// DigestOptions choose what a digest shows.
type DigestOptions struct {
	Since, Until time.Time // rounded to whole days in UTC; the last is not included
	Now          time.Time
	Addresses    int    // newly bad addresses that are listed
	Trouble      string // of the daemon
	// Time is how long failures may be read for their senders, and as long for unknown
	// replies; 0 is no limit.
	Time     time.Duration
	Provider string // the only one that is shown: a name of classify, or other; empty is all
}

const (
	// maxRows is the length of the lists of a digest.
	maxRows = 10
	// maxFailures is how many failures are read for the senders, which have no counts
	// by day, and how many unknown replies are: about half a second.
	maxFailures = 200_000
	// maxSpan in days keeps the days readable.
	maxSpan = 400
)

// Check returns an error unless the span has at least a day, and not too many.
func (o *DigestOptions) Check() error {
	_, err := newDigest(*o)
	return err
}

// ReadDigest reads a digest from a database.
func ReadDigest(ctx context.Context, r *query.Reader, o DigestOptions) (*Digest, error) {
	d, err := newDigest(o)
	if err != nil {
		return nil, err
	}
	if o.Provider != "" {
		return d, d.readProvider(ctx, r, o.Addresses)
	}
	for _, read := range []func(context.Context, *query.Reader) error{
		d.readDays, d.readReasons, d.readSenders, d.readUnknown, d.readIncidents, d.readHealth,
	} {
		if err := read(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := d.readNewlyBad(ctx, r, o.Addresses); err != nil {
		return nil, err
	}
	return d, d.readNeeds(ctx, r)
}

// newDigest returns a digest of a span without its numbers.
func newDigest(o DigestOptions) (*Digest, error) {
	day := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
	from, to := day(o.Since), day(o.Until)
	if to.Before(o.Until) {
		to = to.AddDate(0, 0, 1)
	}
	if err := CheckProvider(o.Provider); err != nil {
		return nil, err
	}
	n := int(to.Sub(from) / (24 * time.Hour))
	if n < 1 {
		return nil, errors.New("the span has no whole day; name an earlier start")
	}
	if n > maxSpan {
		return nil, fmt.Errorf("the span has %s days; it may have %d", text.Thousands(int64(n)), maxSpan)
	}
	return &Digest{
		First:    from.Format(time.DateOnly),
		Last:     to.AddDate(0, 0, -1).Format(time.DateOnly),
		Before:   from.AddDate(0, 0, -n).Format(time.DateOnly),
		Provider: o.Provider,
		Health:   DigestHealth{Trouble: o.Trouble},
		from:     from,
		to:       to,
		now:      o.Now,
		time:     o.Time,
	}, nil
}

// before returns the start of the span before.
func (d *Digest) before() time.Time { return d.from.Add(-d.to.Sub(d.from)) }

// after returns the day that follows the span.
func (d *Digest) after() string { return d.to.Format(time.DateOnly) }

func (d *Digest) readDays(ctx context.Context, r *query.Reader) error {
	days, err := r.OutcomesOf(ctx, d.Before, d.after())
	d.addDays(days)
	return err
}

// addDays adds up the attempts of days.
func (d *Digest) addDays(days []query.Outcomes) {
	var sum, before query.Outcomes
	byDay := make(map[string]query.Outcomes)
	for _, o := range days {
		to := &sum
		if o.Day < d.First {
			to = &before
		}
		to.Delivered += o.Delivered
		to.Deferred += o.Deferred
		to.Bounced += o.Bounced
		to.Expired += o.Expired
		byDay[o.Day] = o
	}
	for at := d.from; at.Before(d.to); at = at.AddDate(0, 0, 1) {
		o := byDay[at.Format(time.DateOnly)]
		o.Day = at.Format(time.DateOnly)
		d.Days = append(d.Days, o)
	}
	d.Numbers = []Number{
		number("delivered", sum.Delivered, before.Delivered), number("deferred", sum.Deferred, before.Deferred),
		number("bounced", sum.Bounced, before.Bounced), number("expired", sum.Expired, before.Expired),
	}
}

// readReasons gathers the failures by provider and by reason.
func (d *Digest) readReasons(ctx context.Context, r *query.Reader) error {
	counts, err := r.ReasonCounts(ctx, d.Before, d.First, d.after())
	d.addReasons(counts)
	return err
}

func (d *Digest) addReasons(counts []query.ReasonCount) {
	type sums struct{ n, before, most int }
	providers, reasons := make(map[string]*sums), make(map[[2]string]*sums)
	mostly := make(map[string]string)
	for i := range counts {
		c := &counts[i]
		p := slot(providers, c.Provider)
		p.n, p.before = p.n+c.Failures, p.before+c.Before
		reason := string(c.Category) + " / " + string(c.Reason)
		if c.Failures > p.most || c.Failures == p.most && reason < mostly[c.Provider] { // the databases have other orders
			p.most, mostly[c.Provider] = c.Failures, reason
		}
		q := slot(reasons, [2]string{string(c.Category), string(c.Reason)})
		q.n, q.before = q.n+c.Failures, q.before+c.Before
	}
	d.Providers, d.Reasons = []ProviderCount{}, []ReasonNumber{}
	for name, s := range providers {
		d.Providers = append(d.Providers, ProviderCount{number(name, int64(s.n), int64(s.before)), mostly[name]})
	}
	for k, s := range reasons {
		category, reason := bounce.Category(k[0]), bounce.Reason(k[1])
		d.Reasons = append(d.Reasons, ReasonNumber{number(k[1], int64(s.n), int64(s.before)), category, reason.Advice()})
	}
	d.Providers = largest(d.Providers, func(p *ProviderCount) *Number { return &p.Number })
	d.Reasons = largest(d.Reasons, func(p *ReasonNumber) *Number { return &p.Number })
}

// slot returns the value of a key of a map, which it makes if there is none.
func slot[K comparable, V any](m map[K]*V, k K) *V {
	if m[k] == nil {
		m[k] = new(V)
	}
	return m[k]
}

// largest sorts a list by its numbers and cuts it to maxRows.
func largest[T any](list []T, of func(*T) *Number) []T {
	slices.SortFunc(list, func(a, b T) int {
		x, y := of(&a), of(&b)
		return cmp.Or(cmp.Compare(y.N, x.N), cmp.Compare(y.Before, x.Before), cmp.Compare(x.Name, y.Name))
	})
	return list[:min(len(list), maxRows)]
}

// readNewlyBad adds up the addresses that turned bad, and lists the last of them.
func (d *Digest) readNewlyBad(ctx context.Context, r *query.Reader, addresses int) error {
	counts, err := r.TurnedBad(ctx, d.Provider, d.before(), d.from, d.to)
	if err != nil {
		return err
	}
	n, before := 0, 0
	reasons := make(map[string]*[2]int64)
	for i := range counts {
		c := &counts[i]
		n, before = n+c.Failures, before+c.Before
		sums := slot(reasons, cmp.Or(string(c.Reason), "blocked by hand"))
		sums[0], sums[1] = sums[0]+int64(c.Failures), sums[1]+int64(c.Before)
	}
	d.NewlyBad = NewlyBad{Reasons: []Number{}, Addresses: []query.BadAddress{}}
	for name, sums := range reasons {
		d.NewlyBad.Reasons = append(d.NewlyBad.Reasons, number(name, sums[0], sums[1]))
	}
	d.NewlyBad.Reasons = largest(d.NewlyBad.Reasons, func(c *Number) *Number { return c })
	d.NewlyBad.Number = number("newly bad", int64(n), int64(before))
	if d.NewlyBad.Hashed, err = r.Hashed(ctx); err != nil || d.NewlyBad.Hashed || addresses == 0 || n == 0 {
		return err
	}
	d.NewlyBad.Addresses, err = r.LastBad(ctx, d.Provider, d.from, d.to, addresses)
	return err
}

func (d *Digest) readIncidents(ctx context.Context, r *query.Reader) error {
	all, err := incidents.List(ctx, r.Querier(), incidents.Filter{Since: bounce.Stamp(d.from), Addresses: 10})
	d.Incidents = []incidents.Shown{}
	for i := range all {
		if all[i].StartedAt < bounce.Stamp(d.to) || all[i].Open() {
			d.Incidents = append(d.Incidents, all[i])
		}
	}
	slices.SortStableFunc(d.Incidents, func(a, b incidents.Shown) int {
		if a.Open() != b.Open() {
			if a.Open() {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Attempts, a.Attempts)
	})
	d.Incidents = d.Incidents[:min(len(d.Incidents), maxRows)]
	return err
}

func (d *Digest) readHealth(ctx context.Context, r *query.Reader) (err error) {
	if d.Health.Gaps, d.Health.Unparsed, err = r.LossesSince(ctx, d.from); err != nil {
		return err
	}
	var s Status
	if err := s.readSource(ctx, r); err != nil {
		return err
	}
	d.Host, d.MTA, d.Hosts, d.Health.Followed, d.Health.LastLine = s.Host, s.MTA, s.Hosts, s.Followed, s.LastLine
	if r.IsFleet() {
		return nil // the report of each host shows its webhooks
	}
	hooks, err := r.Hooks(ctx)
	for i := range hooks {
		d.Health.DeadLetters += hooks[i].DeadLetters
	}
	return err
}
