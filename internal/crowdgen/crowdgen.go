// Package crowdgen makes delivery logs in which many addresses are refused
// together, and the expected state of each address. A scenario is an outage, a
// company that closes, a purchased list, ordinary churn or an attack. The same seed
// gives the same events.
package crowdgen

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Event is one delivery attempt.
type Event struct {
	At     time.Time
	To     string
	Relay  string // host name; empty if the MTA itself failed
	Reason string // empty if it was delivered, else no-such-user, account-disabled or no-such-domain
	Reply  string
}

// IP returns the address of the relay: one for all hosts of a name without its first
// label, and one for all domains that name their server after themselves.
func (e *Event) IP() string {
	_, name, _ := strings.Cut(e.Relay, ".")
	if e.Relay == "" {
		return ""
	}
	if _, domain, _ := strings.Cut(e.To, "@"); name == domain && strings.HasPrefix(e.Relay, "mail.") {
		return "198.51.100.7" // shared hosting
	}
	h := fnv.New32()
	_, _ = io.WriteString(h, name) // a hash returns no error
	return fmt.Sprintf("192.0.2.%d", h.Sum32()%250)
}

// Truth is the expected state at the end of a scenario.
type Truth string

// The expected states.
const (
	Bad     Truth = "bad"
	NotBad  Truth = "not bad" // ok or suspect
	Suspect Truth = "suspect"
)

// Scenario describes a log. Generate makes it.
type Scenario struct {
	Name  string
	About string
	make  func(*Log)
}

// Log holds the events of a scenario and the expected states.
type Log struct {
	Events []Event          // sorted by time
	Truth  map[string]Truth // by address; any state is right for the others
	rng    *rand.Rand
}

// Generate returns the log of a scenario.
func (s *Scenario) Generate(seed uint64) *Log {
	l := &Log{Truth: make(map[string]Truth), rng: rand.New(rand.NewPCG(seed, 1))}
	s.make(l)
	slices.SortStableFunc(l.Events, func(a, b Event) int { return a.At.Compare(b.At) })
	return l
}

// Days returns the events by day.
func (l *Log) Days() [][]Event {
	var days [][]Event
	for _, e := range l.Events {
		if n := len(days); n == 0 || days[n-1][0].At.Format(time.DateOnly) != e.At.Format(time.DateOnly) {
			days = append(days, nil)
		}
		days[len(days)-1] = append(days[len(days)-1], e)
	}
	return days
}

// WritePostfix writes events as Postfix logs them. The prefix keeps queue IDs of
// several files different.
func WritePostfix(to io.Writer, prefix string, events []Event) error {
	w := bufio.NewWriter(to)
	for i, e := range events {
		id := fmt.Sprintf("%s%06X", prefix, i)
		relay, dsn, status := "none", "5.1.1", "bounced ("+e.Reply+")"
		if e.Relay != "" {
			relay = fmt.Sprintf("%s[%s]:25", e.Relay, e.IP())
			if e.Reason != "" {
				status = fmt.Sprintf("bounced (host %s[%s] said: %s (in reply to RCPT TO command))", e.Relay, e.IP(), e.Reply)
			}
		}
		switch e.Reason {
		case "":
			dsn, status = "2.0.0", "sent (250 2.0.0 OK)"
		case "no-such-domain":
			dsn = "5.4.4"
		}
		at := e.At.UTC().Format("2006-01-02T15:04:05.000000-07:00")
		fmt.Fprintf(w, "%s mx postfix/smtp[99]: %s: to=<%s>, relay=%s, delay=0.5, delays=0.1/0/0.2/0.2, dsn=%s, status=%s\n", at, id, e.To, relay, dsn, status)
		fmt.Fprintf(w, "%s mx postfix/qmgr[9]: %s: removed\n", at, id)
	}
	return w.Flush()
}

// start is the first midnight.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// hour returns a time some hours after midnight of a day.
func hour(day int, hours float64) time.Time {
	return start.AddDate(0, 0, day).Add(time.Duration(hours * float64(time.Hour)))
}

// between returns a random time of a day.
func (l *Log) between(day int, from, to float64) time.Time {
	return hour(day, from+(to-from)*l.rng.Float64())
}

func addresses(name string, n int, domain string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%d@%s", name, i, domain)
	}
	return all
}

// The replies of the refusals.
const (
	noSuchUser     = "550-5.1.1 The email account that you tried to reach does not exist. 550-5.1.1 Please check the address for typing errors. 550 5.1.1 gsmtp"
	unknownUser    = "550 5.1.1 <%s>: Recipient address rejected: User unknown in virtual mailbox table"
	disabledReply  = "550 5.2.1 The email account that you tried to reach is disabled."
	noSuchHost     = "Host or domain name not found. Name service error for name=%s type=MX: Host not found"
	googleRelay    = "gmail-smtp-in.l.google.com"
	workspaceRelay = "aspmx.l.google.com"
)

func (l *Log) sent(at time.Time, to, relay string) {
	l.Events = append(l.Events, Event{At: at, To: to, Relay: relay})
}

func (l *Log) refused(at time.Time, to, relay, reply string) {
	reason := "no-such-user"
	if reply == disabledReply {
		reason = "account-disabled"
	}
	if strings.Contains(reply, "%s") {
		reply = fmt.Sprintf(reply, to)
	}
	l.Events = append(l.Events, Event{At: at, To: to, Relay: relay, Reason: reason, Reply: reply})
}

func (l *Log) notFound(at time.Time, to string) {
	_, domain, _ := strings.Cut(to, "@")
	l.Events = append(l.Events, Event{At: at, To: to, Reason: "no-such-domain", Reply: fmt.Sprintf(noSuchHost, domain)})
}

// mail adds an attempt to each address of a list, at random times between two hours.
// Those to dead addresses are refused.
func (l *Log) mail(day int, from, to float64, relay string, list []string, dead map[string]bool, reply string) {
	for _, a := range list {
		if at := l.between(day, from, to); dead[a] {
			l.refused(at, a, relay, reply)
		} else {
			l.sent(at, a, relay)
		}
	}
}

func (l *Log) truth(t Truth, lists ...[]string) {
	for _, list := range lists {
		for _, a := range list {
			l.Truth[a] = t
		}
	}
}

func set(lists ...[]string) map[string]bool {
	all := make(map[string]bool)
	for _, list := range lists {
		for _, a := range list {
			all[a] = true
		}
	}
	return all
}

// sample returns a random part of a list, and the rest.
func (l *Log) sample(list []string, n int) (part, rest []string) {
	list = slices.Clone(list)
	l.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:n], list[n:]
}

// Find returns the scenario with a name.
func Find(name string) (*Scenario, bool) {
	i := slices.IndexFunc(Scenarios, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &Scenarios[i], true
}
