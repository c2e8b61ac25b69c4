package logparse

import (
	"encoding/json"
	"fmt"
	"time"
)

// state is the JSON of State.
type state struct {
	Last       time.Time             `json:"last"`
	Newest     time.Time             `json:"newest,omitzero"` // if it is after Last
	Pieces     map[string]*fragments `json:"pieces,omitempty"`
	Export     *exportEntry          `json:"export,omitempty"`
	Cut        uint8                 `json:"cut,omitempty"`
	Supervised supervised            `json:"supervised,omitzero"`
}

// restore takes over what State of an earlier parser returned.
func (p *Parser) restore(data []byte) error {
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("state of a parser: %w", err)
	}
	p.last, p.newest, p.read = s.Last, s.Last, !s.Last.IsZero()
	if s.Newest.After(s.Last) {
		p.newest = s.Newest
	}
	p.pieces, p.export, p.cut, p.supervised = s.Pieces, s.Export, s.Cut, s.Supervised
	return nil
}

// State returns what a parser of the same stream needs to go on.
func (p *Parser) State() []byte {
	if p.last.IsZero() && len(p.pieces) == 0 && p.export == nil && p.cut == 0 && p.supervised == (supervised{}) {
		return nil
	}
	s := state{Last: p.last, Pieces: p.pieces, Export: p.export, Cut: p.cut, Supervised: p.supervised}
	if p.newest.After(p.last) {
		s.Newest = p.newest
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil // a time beyond the year 9999: nothing worth keeping
	}
	return data
}

// LastLine returns the time of the last line that a parser had read when it returned
// a State, or the zero time.
func LastLine(data []byte) time.Time {
	var s state
	if json.Unmarshal(data, &s) != nil {
		return time.Time{} // no line yet
	}
	return s.Last
}

// ScrubState takes a person out of the State of a parser: the fragments of a
// line that quote the address are dropped, and so is an entry of several lines;
// what follows of them is then left out. The function takes addresses out of a text
// and reports whether there was one.
func ScrubState(data []byte, scrub func(text string) (string, bool)) (rest []byte, changed bool, err error) {
	if len(data) == 0 {
		return data, false, nil
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, false, fmt.Errorf("state of a parser: %w", err)
	}
	for from, piece := range s.Pieces {
		if _, hit := scrub(string(piece.Body)); hit {
			delete(s.Pieces, from)
			changed = true
		}
	}
	if s.Export != nil && s.Export.names(scrub) {
		s.Export, changed = nil, true
	}
	if !changed {
		return data, false, nil
	}
	rest, err = json.Marshal(&s)
	return rest, true, err
}

// names reports whether what was read of an entry quotes the address.
func (e *exportEntry) names(scrub func(text string) (string, bool)) bool {
	for _, value := range e.Fields {
		if _, hit := scrub(string(value)); hit {
			return true
		}
	}
	_, object := scrub(string(e.Object))
	_, value := scrub(string(e.Value))
	return object || value
}
