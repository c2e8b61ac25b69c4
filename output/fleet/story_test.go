package fleet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/crowdgen"
)

// story makes what happened at some hosts. Addresses fail and are reached at several of
// them, stamps coincide, and the clock of one host is an hour ahead.
func story(r *rand.Rand, hosts int) [][]any {
	verdicts := []struct {
		bounce.Verdict
		outcome bounce.Outcome
	}{
		{bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true}, bounce.Bounced},
		{bounce.Verdict{Category: bounce.MailboxFull, Reason: "mailbox-full", Scope: bounce.ScopeRecipient, Disposition: bounce.Retry}, bounce.Bounced},
		{bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender, Disposition: bounce.Retry}, bounce.Deferred},
		{bounce.Verdict{Category: bounce.Unclassified, Reason: "unclassified", Scope: bounce.ScopeMessage, Disposition: bounce.Permanent}, bounce.Expired},
		{bounce.Verdict{Category: bounce.Blocked, Reason: bounce.Suppressed, Scope: bounce.ScopeLocal, Disposition: bounce.Permanent}, bounce.Bounced},
		{bounce.Verdict{Category: bounce.Mailbox, Reason: "account-disabled", Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent}, bounce.Bounced},
	}
	events := make([][]any, hosts)
	for n := range 150 {
		at := time.Date(2026, 3, 1+r.IntN(40), r.IntN(24), r.IntN(3)*20, 0, 0, time.UTC)
		h := r.IntN(hosts)
		if h == 1 {
			at = at.Add(time.Hour)
		}
		address := bounce.Address{Normal: fmt.Sprintf("user%d@d%d.example", r.IntN(15), r.IntN(2)), Domain: ""}
		_, address.Domain, _ = strings.Cut(address.Normal, "@")
		sum := sha256.Sum256(fmt.Append(nil, address.Normal, at, n))
		id := bounce.EventID(sum[:len(bounce.EventID{})])
		var e any
		if r.IntN(4) == 0 {
			e = bounce.Success{ID: id, At: at.UnixMilli(), Key: address.Key(), Domain: uint32(slices.Index(domains, address.Domain))}
		} else {
			v := verdicts[r.IntN(len(verdicts))]
			v.Rule = "test"
			mark := ""
			if v.Reason == bounce.Suppressed {
				mark = ownRefusal
			}
			e = bounce.Record{
				Delivery: bounce.Delivery{
					ID: id, At: at, MTA: bounce.Postfix, Host: fmt.Sprint("mx", h), QueueID: fmt.Sprintf("%X", sum[:6]), Outcome: v.outcome, Sender: "news@sender.example", HasSender: n%3 > 0,
					Reply: bounce.Reply{SMTPCode: 500 + n%60, Text: fmt.Sprintf("550 5.1.1 reply %s %d \xff\x00 %s", mark, n, strings.Repeat("é", n%5)), RelayHost: "mx.hoster.example", RelayIP: "192.0.2.7", RelayPort: 25},
				},
				Verdict: v.Verdict, To: address,
			}
		}
		events[h] = append(events[h], e)
		if _, failed := e.(bounce.Record); failed && r.IntN(6) == 0 { // another host has that line, too
			events[(h+1)%hosts] = append(events[(h+1)%hosts], e)
		}
	}
	for _, e := range crowdgen.Bursts(r) {
		h := r.IntN(hosts)
		events[h] = append(events[h], eventOf(&e, h))
	}
	return events
}

// toldTo returns what each host of a story has in its logs. If sharing is true, some hosts
// read the same logs. Otherwise each log has one host, and only single lines are also in
// the log of another one.
func toldTo(r *rand.Rand, seed uint64) (events [][]any, sharing bool) {
	kind := seed % 5
	if kind < 2 {
		return story(r, 2+int(seed%2)), false
	}
	logs := apart(story(r, 3))
	var hosts [][]int // the logs of each
	switch kind {
	case 2: // two follow the same log
		hosts = [][]int{{0}, {0}, {1, 2}}
	case 3: // one follows the logs of two others
		hosts = [][]int{{0}, {1, 2}, {0, 1, 2}}
	case 4:
		all := [][]int{{0, 1, 2}, {0, 1, 2}, {0, 1}, {0}, {1}, {2}}
		hosts = all[:1:1]
		for range 1 + r.IntN(3) {
			hosts = append(hosts, all[r.IntN(len(all))])
		}
	}
	for i, of := range hosts {
		var all []any
		for _, log := range of {
			all = append(all, logs[log]...)
		}
		if kind == 4 && i > 0 && r.IntN(3) == 0 { // it began later than the first, or ended earlier, and has some days
			end, later := time.Date(2026, 3, 6+r.IntN(10), r.IntN(24), 0, 0, 0, time.UTC), r.IntN(2) == 0
			all = slices.DeleteFunc(all, func(e any) bool { return timeOfEvent(e).Before(end) == later })
		}
		events = append(events, all)
	}
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events, true
}

// apart leaves out of each log what is also in one before.
func apart(logs [][]any) [][]any {
	known := make(map[bounce.EventID]bool)
	for i := range logs {
		logs[i] = slices.DeleteFunc(logs[i], func(e any) bool {
			id := idOfEvent(e)
			was := known[id]
			known[id] = true
			return was
		})
	}
	return logs
}

func idOfEvent(e any) bounce.EventID {
	if s, is := e.(bounce.Success); is {
		return s.ID
	}
	return e.(bounce.Record).ID
}

func timeOfEvent(e any) time.Time {
	if s, is := e.(bounce.Success); is {
		return time.UnixMilli(s.At)
	}
	return e.(bounce.Record).At
}

// eventOf returns what the stages make of an event.
func eventOf(e *crowdgen.Event, host int) any {
	address := bounce.Address{Normal: e.To}
	_, address.Domain, _ = strings.Cut(e.To, "@")
	sum := sha256.Sum256(fmt.Append(nil, e.To, e.At, host))
	id := bounce.EventID(sum[:len(bounce.EventID{})])
	if e.Reason == "" {
		return bounce.Success{ID: id, At: e.At.UnixMilli(), Key: address.Key(), Domain: uint32(slices.Index(domains, address.Domain))}
	}
	r := bounce.Record{
		Delivery: bounce.Delivery{
			ID: id, At: e.At, MTA: bounce.Postfix, Outcome: bounce.Bounced, QueueID: fmt.Sprintf("%X", sum[:6]),
			Reply: bounce.Reply{SMTPCode: 550, Text: e.Reply, RelayHost: e.Relay, RelayIP: e.IP()},
		},
		Verdict: bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.Reason(e.Reason), Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"},
		To:      address,
	}
	if r.Reason == bounce.NoSuchDomain {
		r.Scope, r.Reply.SMTPCode = bounce.ScopeDomain, 0
	}
	return r
}

// domains are those of all stories.
var domains = []string{"d0.example", "d1.example", "d2.example", "d3.example", "d4.example"}

// batches makes batches of events in any order.
func batches(r *rand.Rand, events []any) (all []*bounce.Batch) {
	events = slices.Clone(events)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for rest := events; len(rest) > 0; {
		n := min(1+r.IntN(60), len(rest))
		b := &bounce.Batch{Domains: domains}
		for _, e := range rest[:n] {
			switch e := e.(type) {
			case bounce.Record:
				b.Records.Add(&e)
			case bounce.Success:
				b.Successes = append(b.Successes, e)
			}
		}
		all, rest = append(all, b), rest[n:]
	}
	return all
}

// cutting is a network whose next connection breaks at a random moment. The driver also
// connects in the background, to cancel a statement.
type cutting struct {
	mu   sync.Mutex
	r    *rand.Rand // not that of the test
	cuts atomic.Int64
}

// newCutting returns a network that depends on the next number of r only.
func newCutting(r *rand.Rand) *cutting { return &cutting{r: rand.New(rand.NewPCG(r.Uint64(), 0))} }

// cutConn breaks after some writes. The last one may still arrive, and then its answer
// is lost.
type cutConn struct {
	net.Conn
	left   int
	arrive bool
	cut    *atomic.Int64
}

var errCut = errors.New("the test has cut the connection")

func (c *cutting) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.r.IntN(3) == 0 {
		return conn, err
	}
	return &cutConn{conn, 2 + c.r.IntN(30), c.r.IntN(2) == 0, &c.cuts}, nil
}

func (c *cutConn) Write(b []byte) (int, error) {
	if c.left--; c.left > 0 {
		return c.Conn.Write(b)
	}
	c.cut.Add(1)
	if c.arrive {
		_, _ = c.Conn.Write(b)
		time.Sleep(time.Millisecond) // so that the server reads it before the end
	}
	return 0, errors.Join(errCut, c.Close())
}
