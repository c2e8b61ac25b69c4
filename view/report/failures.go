package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// ReadSenders gathers the senders of the failures of a span at a provider, those with
// most failures first. An empty provider is all of them. If it does not read all
// failures, it returns the number of those that it read in sampled, else 0.
func ReadSenders(
	ctx context.Context, r *query.Reader, provider string, from, to time.Time, limit time.Duration,
) (senders []SenderCount, sampled int, err error) {
	sums := make(senderSums)
	read, all, err := r.LastFailures(ctx, provider, from, to, query.Bound{Failures: maxFailures, Time: limit}, func(f *query.FailureSum) {
		sums.add(f.Sender, string(f.Category)+" / "+string(f.Reason), f.Failures, f.Suppress)
	})
	if !all {
		sampled = read
	}
	return sums.list(), sampled, err
}

// senderSums adds up failures by sender.
type senderSums map[string]*senderSum

type senderSum struct {
	SenderCount
	reasons map[string]int
}

func (sums senderSums) add(of *string, reason string, failures, suppress int) {
	key := "\x00" // no known sender is called so
	if of != nil {
		key = *of
	}
	s := sums[key]
	if s == nil {
		s = &senderSum{SenderCount{Sender: of}, make(map[string]int)}
		sums[key] = s
	}
	s.Failed += failures
	s.Suppress += suppress
	s.reasons[reason] += failures
}

// list returns the senders, those with most failures first.
func (sums senderSums) list() []SenderCount {
	senders := []SenderCount{}
	for _, s := range sums {
		most := 0
		for reason, n := range s.reasons {
			if n > most || n == most && reason < s.Mostly {
				s.Mostly, most = reason, n
			}
		}
		senders = append(senders, s.SenderCount)
	}
	slices.SortFunc(senders, func(a, b SenderCount) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(a.Name(), b.Name()))
	})
	return senders
}

// Name returns the sender as it is shown.
func (s *SenderCount) Name() string {
	switch {
	case s.Sender == nil:
		return "(not known)"
	case *s.Sender == "":
		return "<>" // the null sender
	}
	return *s.Sender
}

// ReadUnknown gathers the replies of a span that no rule knows by their shape, the most
// frequent first. If it does not read all of them, it returns the number of those that it
// read in sampled, else 0.
func ReadUnknown(
	ctx context.Context, r *query.Reader, from, to time.Time, limit time.Duration,
) (unknown []UnknownReply, sampled int, err error) {
	byShape := make(map[string]*UnknownReply)
	read := 0
	all, err := r.LastUnclassified(ctx, from, to, query.Bound{Failures: maxFailures, Time: limit}, func(reply string) {
		read++
		u := slot(byShape, classify.Shape(reply))
		u.Count++
		u.Example = cmp.Or(u.Example, reply)
	})
	if !all {
		sampled = read
	}
	return mostFrequent(byShape), sampled, err
}

// mostFrequent lists replies, the most frequent first.
func mostFrequent(byShape map[string]*UnknownReply) []UnknownReply {
	list := []UnknownReply{}
	for _, u := range byShape {
		list = append(list, *u)
	}
	slices.SortFunc(list, func(a, b UnknownReply) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Example, b.Example))
	})
	return list
}

func (d *Digest) readSenders(ctx context.Context, r *query.Reader) error {
	senders, sampled, err := ReadSenders(ctx, r, d.Provider, d.from, d.to, d.time)
	d.Senders = senders[:min(len(senders), maxRows)]
	if d.Provider == "" { // else it counts those of other providers too
		d.Health.Sampled = sampled
	}
	return err
}

func (d *Digest) readUnknown(ctx context.Context, r *query.Reader) (err error) {
	d.Unknown, d.Health.UnknownSampled, err = ReadUnknown(ctx, r, d.from, d.to, d.time)
	d.Unknown = d.Unknown[:min(len(d.Unknown), maxRows)]
	return err
}
