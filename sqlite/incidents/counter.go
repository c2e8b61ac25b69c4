package incidents

import (
	"cmp"
	"maps"
	"slices"
)

// Failure is a failure of an incident, as far as it is counted.
type Failure struct {
	Hour     string // of the log, in UTC: 2006-01-02T15
	Sender   string
	Reply    string
	Receiver string // the provider, or the domain if there is none
	Domain   string
	Key      int64 // of the address
	ReplyKind
}

// ReplyKind is what replies have in common that differ in addresses and numbers only.
type ReplyKind struct{ Rule, Code, Enhanced string }

// Counter counts the failures of an incident.
type Counter struct {
	failures                  int
	hours, receivers, senders map[string]int
	replies                   map[ReplyKind]*Count
	domains                   map[string]bool
	addresses                 map[int64]bool
}

// NewCounter returns a counter of nothing.
func NewCounter() *Counter {
	return &Counter{
		hours: make(map[string]int), receivers: make(map[string]int), senders: make(map[string]int), replies: make(map[ReplyKind]*Count),
		domains: make(map[string]bool), addresses: make(map[int64]bool),
	}
}

// maxReplies is how many kinds of replies are counted.
const maxReplies = 10_000

// Add counts a failure.
func (c *Counter) Add(f *Failure) {
	c.failures++
	c.hours[f.Hour]++
	c.senders[f.Sender]++
	c.receivers[f.Receiver]++
	if one := c.replies[f.ReplyKind]; one != nil {
		one.N++
		one.Name = min(one.Name, f.Reply)
	} else if len(c.replies) < maxReplies {
		c.replies[f.ReplyKind] = &Count{f.Reply, 1}
	}
	c.domains[f.Domain], c.addresses[f.Key] = true, true
}

// Addresses returns the keys of the addresses that failed.
func (c *Counter) Addresses() []int64 { return slices.Collect(maps.Keys(c.addresses)) }

// Fill sets the details to what was counted. The numbers of all failures stay as they are
// unless all that are left were counted and are more: some of an incident may have been
// deleted for their age, or forgotten, since.
func (c *Counter) Fill(d *Details, all bool) {
	if all {
		d.Attempts, d.Addresses, d.Domains = max(d.Attempts, c.failures), max(d.Addresses, len(c.addresses)), max(d.Domains, len(c.domains))
	}
	d.Hours = mostOf(c.hours, len(c.hours))
	slices.SortFunc(d.Hours, func(a, b Count) int { return cmp.Compare(a.Name, b.Name) })
	d.Receivers, d.Senders = mostOf(c.receivers, 5), mostOf(c.senders, 5)
	replies := make([]Count, 0, len(c.replies))
	for _, one := range c.replies {
		replies = append(replies, *one)
	}
	d.Replies = most(replies, 3)
}

// mostOf returns the largest counts, at most n.
func mostOf(counts map[string]int, n int) []Count {
	all := make([]Count, 0, len(counts))
	for name, n := range counts {
		all = append(all, Count{name, n})
	}
	return most(all, n)
}

// most returns the largest of some counts, at most n.
func most(all []Count, n int) []Count {
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return all[:min(n, len(all))]
}
