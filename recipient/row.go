package recipient

import (
	"encoding/json"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
)

// Row is the row of an address in the table recipients, without its number: the
// history as the clock and manual decisions show it. Empty texts and zero IDs are
// stored as NULL.
type Row struct {
	State              bounce.State
	DecidedBy          bounce.Decider
	Category           bounce.Category
	Reason             bounce.Reason
	FirstAt, LastAt    string
	LastDelivery       string
	PermanentCount     int
	RetryCount         int
	BadSince, BadUntil string
	LastID, DecidingID int64
	Memory             string
}

// memory is what a history needs in order to be extended and what its row does
// not show. It is stored as JSON, or empty if there is nothing to store.
type memory struct {
	// Counted is the number of failures that the policy has counted, by category
	// and date.
	Counted map[bounce.Category]map[string]int `json:"counted,omitempty"`
	// Log is the state as the logs alone give it, if the row shows another.
	Log *logged `json:"log,omitempty"`
	// Suspect is the first refusal that made the address suspect.
	Suspect string `json:"suspect,omitempty"`
}

type logged struct {
	Open  bool           `json:"open,omitempty"`
	By    bounce.Decider `json:"by,omitempty"`
	Since string         `json:"since,omitempty"`
	Until string         `json:"until,omitempty"`
}

// Row returns the row of a history at a time, under the last manual decision,
// which may be nil.
func (h *History) Row(d *Decision, now string) Row {
	r := Row{
		Category: h.Category, Reason: h.Reason, FirstAt: h.FirstAt, LastAt: h.LastAt, LastDelivery: h.LastDelivery,
		PermanentCount: h.PermanentCount, RetryCount: h.RetryCount, LastID: h.LastID, DecidingID: h.DecidingID,
	}
	switch {
	case d.inForce(now) && d.Decision == Block:
		r.State, r.DecidedBy, r.BadSince = bounce.StateBad, bounce.ByHand, d.DecidedAt
		if d.Until != nil {
			r.BadUntil = *d.Until
		}
	case d.inForce(now), h.LastAt == "":
		r.State, r.DecidedBy = bounce.StateOK, bounce.ByHand
	case h.badBy != "" && (h.badUntil == "" || now < h.badUntil):
		r.State, r.DecidedBy, r.BadSince, r.BadUntil = bounce.StateBad, h.badBy, h.badSince, h.badUntil
	case h.suspect.Since != "":
		r.State, r.DecidedBy = bounce.StateSuspect, bounce.ByCrowd
	case h.badBy != "":
		r.State, r.DecidedBy = bounce.StateFailing, bounce.ByTime
	case h.open:
		r.State, r.DecidedBy = bounce.StateFailing, bounce.ByFailure
	case h.LastAt > h.LastDelivery:
		r.State, r.DecidedBy = bounce.StateOK, bounce.ByRelease
	default:
		r.State, r.DecidedBy = bounce.StateOK, bounce.ByDelivery
	}
	r.Memory = h.memory(r.DecidedBy)
	return r
}

func (h *History) memory(by bounce.Decider) string {
	var m memory
	for _, t := range h.counted {
		if m.Counted == nil {
			m.Counted = make(map[bounce.Category]map[string]int)
		}
		days := make(map[string]int, len(t.days))
		for _, d := range t.days {
			days[bounce.DayName(d.day)] = d.n
		}
		m.Counted[t.category] = days
	}
	if (by == bounce.ByHand || by == bounce.ByTime) && h.open {
		m.Log = &logged{h.open, h.badBy, h.badSince, h.badUntil}
	}
	m.Suspect = h.suspect.Since
	if m.Counted == nil && m.Log == nil && m.Suspect == "" {
		return ""
	}
	text, err := json.Marshal(m) // which sorts the keys of maps
	if err != nil {
		panic(err) // there are only strings and numbers
	}
	return string(text)
}

// History returns the history that a row was made from.
func (r *Row) History() (History, error) {
	h := History{
		Category: r.Category, Reason: r.Reason, FirstAt: r.FirstAt, LastAt: r.LastAt, LastDelivery: r.LastDelivery,
		PermanentCount: r.PermanentCount, RetryCount: r.RetryCount, LastID: r.LastID, DecidingID: r.DecidingID,
	}
	switch {
	case r.DecidedBy == bounce.ByHand, r.DecidedBy == bounce.ByTime:
		// The memory has it.
	case r.State == bounce.StateBad:
		h.open, h.badBy, h.badSince, h.badUntil = true, r.DecidedBy, r.BadSince, r.BadUntil
	default:
		h.open = r.State == bounce.StateFailing || r.State == bounce.StateSuspect
	}
	if r.Memory == "" {
		return h, nil
	}
	m, err := parseMemory(r.Memory)
	if err != nil {
		return h, err
	}
	h.counted = m.tallies()
	h.suspect.Since = m.Suspect
	if m.Log != nil {
		h.open, h.badBy, h.badSince, h.badUntil = m.Log.Open, m.Log.By, m.Log.Since, m.Log.Until
	}
	return h, nil
}

func parseMemory(text string) (memory, error) {
	var m memory
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("memory %q: %w; run: bouncetail recipients rebuild", text, err)
	}
	return m, nil
}

// Changes counts the recipients that an operation changed.
type Changes struct {
	Rows int // that are not as they were
	Bad  int // of these, addresses that became bad
	Good int // of these, addresses that are no longer bad
}

// Add counts one changed row; the zero Row stands for a row that did not exist.
func (c *Changes) Add(was, is *Row) {
	c.Rows++
	wasBad, isBad := was.State == bounce.StateBad, is.State == bounce.StateBad
	if isBad && !wasBad {
		c.Bad++
	}
	if wasBad && !isBad {
		c.Good++
	}
}
