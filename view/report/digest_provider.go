package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// otherProviders is the provider of all receivers without a name.
const otherProviders = "other"

// CheckProvider returns an error unless a name is that of a provider, or empty.
func CheckProvider(name string) error {
	if known := append(classify.Providers(), otherProviders); name != "" && !slices.Contains(known, name) {
		return fmt.Errorf("%q is not a provider%s; bouncetail report lists those with failures", name, text.Near(name, known))
	}
	return nil
}

// readProvider reads the digest of one provider: what needs you, its attempts, reasons,
// newly bad addresses, senders, incidents and replies.
func (d *Digest) readProvider(ctx context.Context, r *query.Reader, addresses int) error {
	days, since, err := r.ProviderOutcomes(ctx, d.Provider, d.before(), d.to)
	if err != nil {
		return err
	}
	d.addDays(days)
	if since == "" || since > d.Before {
		d.Since = cmp.Or(since, d.after())
	}
	counts, err := r.ReasonCounts(ctx, d.Before, d.First, d.after())
	if err != nil {
		return err
	}
	d.addReasons(slices.DeleteFunc(counts, func(c query.ReasonCount) bool { return c.Provider != d.Provider }))
	if err := d.readNewlyBad(ctx, r, addresses); err != nil {
		return err
	}
	for _, read := range []func(context.Context, *query.Reader) error{d.readSenders, d.readProviderReplies, d.readIncidents, d.readHealth} {
		if err := read(ctx, r); err != nil {
			return err
		}
	}
	d.Incidents = slices.DeleteFunc(d.Incidents, func(i incidents.Shown) bool { return i.Subject != d.Provider })
	d.Needs = []Need{}
	d.needIncidents()
	return nil
}

// readProviderReplies gathers the replies of the provider by their shape, and those that
// no rule knows.
func (d *Digest) readProviderReplies(ctx context.Context, r *query.Reader) error {
	all, unknown := make(map[string]*UnknownReply), make(map[string]*UnknownReply)
	bound := query.Bound{Failures: maxFailures, Time: d.time}
	err := r.ProviderReplies(ctx, d.Provider, bounce.Stamp(d.from), bounce.Stamp(d.to), bound, func(p *query.ProviderReply) {
		kinds := []map[string]*UnknownReply{all}
		if p.Category == bounce.Unclassified {
			kinds = append(kinds, unknown)
		}
		for _, kind := range kinds {
			u := slot(kind, classify.Shape(p.Reply))
			u.Count++
			u.Example = cmp.Or(u.Example, p.Reply)
		}
	})
	d.Replies, d.Unknown = mostFrequent(all), mostFrequent(unknown)
	d.Replies, d.Unknown = d.Replies[:min(len(d.Replies), maxRows)], d.Unknown[:min(len(d.Unknown), maxRows)]
	return err
}
