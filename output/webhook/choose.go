package webhook

import (
	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// chosen divides the changes of a page by what the hook does with them.
type chosen struct {
	send []bounce.Change
	// drop are changes that are not sent. An older dead letter of such a recipient is
	// dropped too.
	drop     []bounce.Change
	rejected int // of drop: addresses that the program cannot store
}

// choose selects the changes to send. The kind json gets every change. The other kinds
// report bounces of addresses that their programs can store.
func (h *Hook) choose(rows []bounce.Change) (c chosen) {
	if !kind(h.Kind).bounces {
		c.send = rows
		return c
	}
	for i := range rows {
		r := &rows[i]
		switch {
		case !address.Plain(r.Address()):
			c.drop = append(c.drop, *r)
			c.rejected++
		case r.State == bounce.StateBad:
			c.send = append(c.send, *r)
		case r.State == bounce.StateFailing && r.Failure != nil && r.Failure.AboutMailbox():
			if !h.soft.reported(r) {
				c.send = append(c.send, *r)
			}
		case r.State != bounce.StateFailing:
			c.drop = append(c.drop, *r)
		}
	}
	return c
}

// softBounces remembers which soft bounces were sent, so that a message that is
// deferred ten times is one soft bounce and not ten: list programs block an address
// after a few. A message is known by its first failure. upTo is stored, recent is not:
// a message can be reported twice if the program stops while changes wait.
type softBounces struct {
	upTo   int64            // all failures up to this ID were looked at
	recent map[string]int64 // first failure of the message last sent, by address
}

func (s *softBounces) reported(r *bounce.Change) bool {
	return r.Failure.FirstID <= s.upTo || s.recent[r.Address()] == r.Failure.FirstID
}

// sent records what was sent or refused.
func (s *softBounces) sent(rows []bounce.Change) {
	for i := range rows {
		if r := &rows[i]; r.State == bounce.StateFailing && r.Failure != nil {
			if s.recent == nil {
				s.recent = make(map[string]int64)
			}
			s.recent[r.Address()] = r.Failure.FirstID
		}
	}
}

// drained records that all changes were looked at while the database held failures
// up to this ID, and reports whether that is new.
func (s *softBounces) drained(lastFailure int64) bool {
	s.recent = nil
	if lastFailure <= s.upTo {
		return false
	}
	s.upTo = lastFailure
	return true
}
