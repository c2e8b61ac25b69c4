package logparse

import (
	"cmp"
	"slices"
	"strings"
)

// maxFields bounds the fields of a line of a table.
const maxFields = 24

// readCSV reads a line of a table, as log servers export them:
//
//	"2026-11-23T12:57:36Z","mx","postfix/smtp[474]","4f1XyZ: to=<a@b.example>, …"
//	2026-11-23 12:57:36;mx;mail.info;"Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZ: …"
//	2026-11-23 12:57:36,mx,"postfix/smtp[474]: 4f1XyZ: …"
func (u *unusual) readCSV(text string) bool {
	fields := joinClock(splitCSV(text))
	u.depth++
	unknown := len(fields) // the first column that is not a header's
	for i, f := range fields {
		switch u.takeColumn(f) {
		case columnOfProgram:
			return false
		case columnUnknown:
			unknown = min(unknown, i)
		case columnOfHeader:
		}
	}
	for _, f := range fields[:min(unknown+1, len(fields))] {
		if server := tagOf(f); server != "" {
			u.tagOut, u.pidOut, u.body, u.synthesized = cmp.Or(u.tag, server), u.pid, f, true
			return u.n > 0
		}
		f = u.withoutHost(f)
		if (beginsLine(f) || u.n > 0 && beginsWithTag(f)) && u.takeLine(f, false) {
			return true
		}
	}
	return false
}

// joinClock makes one column of a date and the clock behind it.
func joinClock(fields []string) []string {
	for i := range len(fields) - 1 {
		var s stamp
		if _, ok := s.cutAny(fields[i]); ok {
			return fields
		}
		both := fields[i] + " " + fields[i+1]
		if rest, ok := s.cutAny(both); ok && rest == "" {
			fields[i] = both
			return slices.Delete(fields, i+1, i+2)
		}
	}
	return fields
}

// column is what a column of a table holds.
type column int

const (
	columnUnknown   column = iota
	columnOfHeader         // a stamp, a host, the tag of a mail server, a level, a number
	columnOfProgram        // the tag of another program
)

// takeColumn takes what a column says about the header of the line in the table.
func (u *unusual) takeColumn(text string) column {
	var s stamp
	if rest, ok := s.cutAny(text); ok && rest == "" {
		if u.n == 0 {
			u.stamps[0], u.n = s, 1
		}
		return columnOfHeader
	}
	if text == "-" || isLevel(text) || isFacility(text) || isNumber(text) {
		return columnOfHeader
	}
	switch tag, pid, after, marked := cutAnyTag(text); {
	case isAddress(text):
	case tag == "" || after != "":
		return columnUnknown
	case isDaemonTag(tag), isServerTag(tag) && u.tag == "":
		u.tag, u.pid = tag, pid
		return columnOfHeader
	case marked || isOtherProgram(tag):
		return columnOfProgram
	}
	if u.host == "" {
		u.host = text
	}
	return columnOfHeader
}

// splitCSV splits a line with quoted fields. It returns nothing if none is
// quoted.
func splitCSV(text string) (fields []string) {
	if text = strings.TrimLeft(text, "["); strings.HasPrefix(text, "{") {
		return nil
	}
	delimiters, quoted := ",;\t", false // whichever comes first
	for text != "" {
		if len(fields) == maxFields {
			return nil
		}
		quoted = quoted || text[0] == '"'
		field, rest, ok := cutColumn(text, delimiters)
		if !ok {
			return nil
		}
		fields = append(fields, field)
		if rest == "" || rest[0] == ']' {
			break
		}
		if strings.IndexByte(delimiters, rest[0]) < 0 {
			return nil
		}
		delimiters, text = rest[:1], strings.TrimLeft(rest[1:], " ")
	}
	if !quoted {
		return nil
	}
	return fields
}

// cutColumn cuts a column off, with quotes or up to a delimiter.
func cutColumn(text, delimiters string) (column, rest string, ok bool) {
	if text[0] == '"' {
		column, rest, ok = cutQuotedField(text)
	} else if end := strings.IndexAny(text, delimiters); end >= 0 {
		column, rest, ok = text[:end], text[end:], true
	} else {
		column, ok = text, true
	}
	column = strings.TrimSpace(column)
	if name := strings.Trim(column, `"`); len(name)+2 == len(column) && isName(name) {
		column = name // a string of JSON
	}
	return column, rest, ok
}

// cutQuotedField cuts a field in quotes off, in which a quote is doubled.
func cutQuotedField(text string) (field, rest string, ok bool) {
	for end := 1; end < len(text); end++ {
		switch {
		case text[end] != '"':
		case end+1 < len(text) && text[end+1] == '"':
			end++
		default:
			return strings.ReplaceAll(text[1:end], `""`, `"`), text[end+1:], true
		}
	}
	return "", "", false
}
