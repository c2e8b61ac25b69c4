package logparse

import (
	"encoding/json"
	"fmt"
)

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
