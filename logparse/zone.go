package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/oneof"
)

// The zone behind the time of a stamp.

// zoneNames are abbreviations that mean one zone only, with their offsets from
// UTC in minutes. Others (CST, IST, BST) mean several; the settings decide then.
var zoneNames = map[string]int{
	"UTC": 0, "GMT": 0, "Z": 0, "UCT": 0, "WET": 0, "WEST": 60, "CET": 60, "MET": 60, "MEZ": 60, "MESZ": 120, "CEST": 120, "MEST": 120,
	"EET": 120, "EEST": 180, "MSK": 180,
	"EST": -300, "EDT": -240, "CDT": -300, "MDT": -360, "MST": -420, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
	"NST": -210, "NDT": -150, "ADT": -180, "BRT": -180, "SAST": 120, "JST": 540, "KST": 540, "HKT": 480, "AWST": 480,
	"ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}

// vagueZones are abbreviations that mean several zones.
var vagueZones = makeSet("CST IST BST AST SST WIB WITA WIT PKT")

// cutZone reads the zone directly behind the time in RFC 3339, if there is one: "Z",
// "+01:00", "+0100".
func (s *stamp) cutZone(text string) (string, bool) {
	if text == "" || text[0] == ' ' {
		return text, true
	}
	if text[0] == 'Z' {
		s.zoned = true
		return text[1:], true
	}
	offset, rest, ok := cutOffset(text)
	s.zoned, s.offset = true, offset
	return rest, ok && len(text)-len(rest) >= len("+0100")
}

// cutZoneWord cuts a zone off that stands apart, if there is one.
func (s *stamp) cutZoneWord(rest string) string {
	if !s.zoned && strings.HasPrefix(rest, " ") {
		word, after := cutWord(rest[1:])
		if s.setZone(word) {
			return after
		}
	}
	return rest
}

// setZone takes a zone: a name that means one, +0100, +01:00 or -03. It also
// steps over names that mean several.
func (s *stamp) setZone(word string) bool {
	if minutes, known := zoneNames[word]; known {
		s.zoned, s.offset = true, minutes*60
		return true
	}
	if vagueZones[word] {
		return true
	}
	if len(word) > 3 && oneof.HasPrefix(word, "GMT", "UTC") { // GMT+0100, as JavaScript prints it
		word = word[3:]
	}
	offset, rest, ok := cutOffset(word)
	if !ok || rest != "" {
		return false
	}
	s.zoned, s.offset = true, offset
	return true
}

// cutOffset reads an offset from UTC, in seconds: "+0100", "+01:00", "-03".
func cutOffset(text string) (seconds int, rest string, ok bool) {
	if len(text) < len("-03") || text[0] != '+' && text[0] != '-' || leading(text[1:3]) < 2 {
		return 0, text, false
	}
	seconds, rest = number(text[1:3])*3600, text[3:]
	if digits, behind := leadingDigits(strings.TrimPrefix(rest, ":")); digits != "" {
		if len(digits) != 2 {
			return 0, text, false
		}
		seconds += number(digits) * 60
		rest = behind
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, rest, true
}
