package logparse

import (
	"strings"
)

// Supervisor, at its level debug, logs what its programs print, behind a line with the
// time. The programs may print no time themselves:
//
//	2026-11-23 12:57:36,123 DEBG 'postfix' stdout output:
//	postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …

// supervised is the last such line.
type supervised struct {
	Before string `json:"before,omitempty"` // what stands in front of each line, such as the name of a container
	Stamp  string `json:"stamp,omitempty"`  // empty if the program is known to be no mail server
}

// beginSupervised reports whether a line says that the output of a program follows.
func (p *Parser) beginSupervised(line string) bool {
	const behind, length = " output:", len("2026-11-23 12:57:36,123")
	head, found := strings.CutSuffix(line, behind)
	if !found || !strings.HasSuffix(head, "' stdout") && !strings.HasSuffix(head, "' stderr") {
		return false
	}
	before, name, found := strings.Cut(head, " DEBG '")
	start := len(before) - length
	if !found || start < 0 || start > maxLayout || start > 0 && !strings.HasSuffix(before[:start], "| ") {
		return false
	}
	var s stamp
	if rest, ok := s.cutAny(before[start:]); !ok || rest != "" {
		return false
	}
	p.supervised = supervised{}
	if !isOtherProgram(name[:strings.IndexByte(name, '\'')]) {
		p.supervised = supervised{strings.Clone(before[:start]), strings.Clone(before[start:])}
	}
	return true
}

// stamped returns a line without a stamp with that of the output which it belongs to.
func (s *supervised) stamped(line string) string {
	text, found := strings.CutPrefix(line, s.Before)
	if s.Stamp == "" || !found || !beginsWithTag(text) && tagOf(text) == "" {
		return line
	}
	return s.Before + s.Stamp + " " + text
}
