package sqlite

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// failure is what the state of an address needs to know of a bounce.
type failure struct {
	id          int64
	at          string         // as stored, which sorts by time
	eventID     bounce.EventID // sorts failures of the same instant
	category    bounce.Category
	reason      bounce.Reason
	disposition bounce.Disposition
	suppress    bool
	counts      bool // see bounce.Verdict.Counts
}

func byTime(a, b failure) int {
	return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.eventID[:], b.eventID[:]))
}

// life is what the log alone says of an address. It follows from all failures,
// in the order of time, the last delivery, the policy and the releases: nothing
// else, so that the order in which logs are read does not matter. What the
// clock and decisions by hand make of it is added by show.
type life struct {
	category                 bounce.Category // of the failure that decides
	reason                   bounce.Reason
	firstAt, lastAt          string
	lastDelivery             string // empty where there was none
	permanentCount, retryNum int
	lastID, decidingID       int64
	open                     bool           // a failure since the last delivery was not released
	badBy                    bounce.Decider // empty, ByFailure or ByPolicy
	badSince                 string
	badUntil                 string // empty is for ever
	counted                  tallies
}

// law is what lives follow from beside the records.
type law struct {
	policy   *bounce.Policy
	releases []Release
}

// released reports whether a failure was released by hand.
func (l *law) released(domain string, f *failure) bool {
	for i := range l.releases {
		if l.releases[i].covers(domain, f) {
			return true
		}
	}
	return false
}

// live makes out a life from all its failures, oldest first, and the last
// delivery.
func (l *law) live(domain string, failures []failure, lastDelivery string) life {
	a := life{lastDelivery: lastDelivery}
	for i := range failures {
		l.fail(&a, domain, &failures[i])
	}
	return a
}

// goOn adds to a life what came after everything that it is made of, and
// reports whether it could: else all failures have to be looked at again.
func (l *law) goOn(a *life, domain string, failures []failure, lastDelivery string) bool {
	if lastDelivery != a.lastDelivery {
		if lastDelivery < a.lastAt || a.decidingID != a.lastID {
			return false
		}
		a.lastDelivery, a.open = lastDelivery, false
		a.acquit()
	}
	for i := range failures {
		if failures[i].at <= a.lastAt {
			return false
		}
		l.fail(a, domain, &failures[i])
	}
	return true
}

// acquit forgets what made the address bad, and what was counted.
func (a *life) acquit() {
	a.badBy, a.badSince, a.badUntil, a.counted = "", "", "", nil
}

// fail adds the next failure to a life.
func (l *law) fail(a *life, domain string, f *failure) {
	if a.firstAt == "" {
		a.firstAt = f.at
	}
	a.lastAt, a.lastID = f.at, f.id
	if f.disposition == bounce.Permanent {
		a.permanentCount++
	} else {
		a.retryNum++
	}
	decides := false
	if f.at > a.lastDelivery && !l.released(domain, f) {
		a.open = true
		if a.badUntil != "" && f.at >= a.badUntil {
			a.acquit() // its time was over before this one
		}
		decides = l.condemn(a, f)
	}
	// While bad, the last failure that makes it so decides, else the last of all.
	if decides || a.badBy == "" {
		a.category, a.reason, a.decidingID = f.category, f.reason, f.id
	}
}

// condemn holds a failure against the address, and reports whether the address
// is bad for it.
func (l *law) condemn(a *life, f *failure) bool {
	t := l.policy.For(f.category)
	switch {
	case f.suppress:
		if a.badBy == "" || a.badUntil != "" { // else it is bad for ever already
			a.badUntil = later(a.badUntil, f.at, t.SuppressDays)
		}
		a.badBy = bounce.ByFailure
	case !f.counts || t.Failures == 0 || a.badBy == bounce.ByFailure:
		return false
	case a.badBy == bounce.ByPolicy:
		if a.badUntil != "" {
			a.badUntil = later(a.badUntil, f.at, t.BadDays)
		}
	case !a.counted.add(f.category, dayOf(f.at), t):
		return false
	default:
		a.badBy, a.badUntil = bounce.ByPolicy, later("", f.at, t.BadDays)
	}
	if a.badSince == "" {
		a.badSince = f.at
	}
	return true
}

// later returns the end of so many days after a failure, or the end that holds
// already where that comes later; no days are for ever.
func later(until, at string, days int) string {
	if days == 0 {
		return ""
	}
	return max(until, stamp(parseStamp(at).AddDate(0, 0, days)))
}

// tallies are the failures that were counted, by category.
type tallies []tally

type tally struct {
	category bounce.Category
	days     []dayCount // the oldest first
}

// dayCount is how many failures there were on a day, which is counted from
// 1970 in UTC.
type dayCount struct{ day, n int }

// dayOf returns the day of a time as stored.
func dayOf(at string) int { return epochDay(parseStamp(at).UnixMilli()) }

func dayName(day int) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

// add counts a failure, forgets those that the window has left behind, and
// reports whether there are enough of them.
func (t *tallies) add(c bounce.Category, day int, limit bounce.Threshold) bool {
	i := slices.IndexFunc(*t, func(one tally) bool { return one.category == c })
	if i < 0 {
		i = len(*t)
		*t = append(*t, tally{category: c})
	}
	one := &(*t)[i]
	one.days = slices.DeleteFunc(one.days, func(d dayCount) bool { return d.day <= day-limit.Window })
	if last := len(one.days) - 1; last >= 0 && one.days[last].day == day {
		one.days[last].n++
	} else {
		one.days = append(one.days, dayCount{day, 1})
	}
	return one.failures() >= limit.Failures && one.span() >= limit.Days
}

func (t *tally) failures() int {
	n := 0
	for _, d := range t.days {
		n += d.n
	}
	return n
}

// span is how many days lie between the first and the last.
func (t *tally) span() int {
	if len(t.days) == 0 {
		return 0
	}
	return t.days[len(t.days)-1].day - t.days[0].day
}

// shown is the row of an address in recipients as it is stored, but for its
// number: what the log, the clock and decisions by hand come to.
type shown struct {
	state                      bounce.State
	decidedBy                  bounce.Decider
	category                   bounce.Category
	reason                     bounce.Reason
	firstAt, lastAt            string
	lastDelivery               string
	permanentCount, retryCount int
	badSince, badUntil         string
	lastID, decidingID         int64
	memory                     string
}

// memory is what a life needs to go on and its row does not tell, as it is
// stored: JSON, and empty where there is nothing.
type memory struct {
	// Counted is how many failures the policy has counted, by category and day.
	Counted map[bounce.Category]map[string]int `json:"counted,omitempty"`
	// Log is what the log alone says, where the row says something else.
	Log *logged `json:"log,omitempty"`
}

type logged struct {
	Open  bool           `json:"open,omitempty"`
	By    bounce.Decider `json:"by,omitempty"`
	Since string         `json:"since,omitempty"`
	Until string         `json:"until,omitempty"`
}

// show returns the row of a life at a time, under the last decision by hand,
// which may be nil.
func (a *life) show(d *Decision, now string) shown {
	s := shown{
		category: a.category, reason: a.reason, firstAt: a.firstAt, lastAt: a.lastAt, lastDelivery: a.lastDelivery,
		permanentCount: a.permanentCount, retryCount: a.retryNum, lastID: a.lastID, decidingID: a.decidingID,
	}
	switch {
	case d.holds(now) && d.Decision == Block:
		s.state, s.decidedBy, s.badSince = bounce.StateBad, bounce.ByHand, d.DecidedAt
		if d.Until != nil {
			s.badUntil = *d.Until
		}
	case d.holds(now), a.lastAt == "":
		s.state, s.decidedBy = bounce.StateOK, bounce.ByHand
	case a.badBy != "" && (a.badUntil == "" || now < a.badUntil):
		s.state, s.decidedBy, s.badSince, s.badUntil = bounce.StateBad, a.badBy, a.badSince, a.badUntil
	case a.badBy != "":
		s.state, s.decidedBy = bounce.StateFailing, bounce.ByTime
	case a.open:
		s.state, s.decidedBy = bounce.StateFailing, bounce.ByFailure
	case a.lastAt > a.lastDelivery:
		s.state, s.decidedBy = bounce.StateOK, bounce.ByRelease
	default:
		s.state, s.decidedBy = bounce.StateOK, bounce.ByDelivery
	}
	s.memory = a.memory(s.decidedBy)
	return s
}

func (a *life) memory(by bounce.Decider) string {
	var m memory
	for _, t := range a.counted {
		if m.Counted == nil {
			m.Counted = make(map[bounce.Category]map[string]int)
		}
		days := make(map[string]int, len(t.days))
		for _, d := range t.days {
			days[dayName(d.day)] = d.n
		}
		m.Counted[t.category] = days
	}
	if (by == bounce.ByHand || by == bounce.ByTime) && a.open {
		m.Log = &logged{a.open, a.badBy, a.badSince, a.badUntil}
	}
	if m.Counted == nil && m.Log == nil {
		return ""
	}
	text, err := json.Marshal(m) // which sorts the keys of maps
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return string(text)
}

// life returns the life that a row was made of.
func (s *shown) life() (life, error) {
	a := life{
		category: s.category, reason: s.reason, firstAt: s.firstAt, lastAt: s.lastAt, lastDelivery: s.lastDelivery,
		permanentCount: s.permanentCount, retryNum: s.retryCount, lastID: s.lastID, decidingID: s.decidingID,
	}
	switch {
	case s.decidedBy == bounce.ByHand, s.decidedBy == bounce.ByTime:
		// The memory tells.
	case s.state == bounce.StateBad:
		a.open, a.badBy, a.badSince, a.badUntil = true, s.decidedBy, s.badSince, s.badUntil
	default:
		a.open = s.state == bounce.StateFailing
	}
	if s.memory == "" {
		return a, nil
	}
	m, err := parseMemory(s.memory)
	if err != nil {
		return a, err
	}
	a.counted = m.tallies()
	if m.Log != nil {
		a.open, a.badBy, a.badSince, a.badUntil = m.Log.Open, m.Log.By, m.Log.Since, m.Log.Until
	}
	return a, nil
}

func parseMemory(text string) (memory, error) {
	var m memory
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("memory %q: %w; bouncetail recipients rebuild makes it anew", text, err)
	}
	return m, nil
}

// tallies returns what was counted, with the days in order.
func (m *memory) tallies() tallies {
	var all tallies
	for c, days := range m.Counted {
		t := tally{category: c}
		for name, n := range days {
			t.days = append(t.days, dayCount{dayOf(name + "T00:00:00.000Z"), n})
		}
		slices.SortFunc(t.days, func(a, b dayCount) int { return cmp.Compare(a.day, b.day) })
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b tally) int { return cmp.Compare(a.category, b.category) })
	return all
}
