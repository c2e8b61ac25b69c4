package logparse

import (
	"net/netip"
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
	fields := splitCSV(text)
	if len(fields) == 0 {
		return false
	}
	u.depth++
	var known [maxFields]bool
	foreign := false
	for i, f := range fields {
		known[i] = true
		var s stamp
		tag, pid, after, marked := cutAnyTag(f)
		_, err := netip.ParseAddr(f)
		switch rest, ok := s.cutAny(f); {
		case ok && rest == "":
			if u.n == 0 {
				u.stamps[0], u.n = s, 1
			}
		case f == "" || f == "-" || isLevel(f) || isFacility(f) || leading(f) == len(f):
		case tag != "" && after == "" && (isDaemonTag(tag) || isServerTag(tag) && u.tag == ""):
			u.tag, u.pid = tag, pid
		case tag != "" && after == "" && (marked || isOtherProgram(tag)):
			foreign = true
		case tag != "" && after == "" || err == nil:
			if u.host == "" {
				u.host = f
			}
		default:
			known[i] = false
		}
	}
	for i, f := range fields {
		if server := tagOf(f); server != "" {
			if foreign {
				return false
			}
			u.tagOut, u.pidOut, u.body, u.synthesized = u.tag, u.pid, f, true
			if u.tag == "" {
				u.tagOut = server
			}
			return u.n > 0
		}
		f = u.withoutHost(f)
		inside := *u
		if (beginsLine(f) || u.n > 0 && beginsWithTag(f)) && !foreign && inside.readParts(f) && (!isDaemonTag(u.tag) || inside.repeats(u)) {
			if inside.inner == "" {
				inside.synthesized = true
			}
			*u = inside
			return true
		}
		if !known[i] {
			return false
		}
	}
	return false
}

// splitCSV splits a line with quoted fields. It returns nothing if none is
// quoted.
func splitCSV(text string) (fields []string) {
	if text = strings.TrimLeft(text, "["); strings.HasPrefix(text, "{") {
		return nil
	}
	delimiter := byte(0)
	quoted := false
	for text != "" {
		if len(fields) == maxFields {
			return nil
		}
		var field string
		if text[0] == '"' {
			var ok bool
			if field, text, ok = cutQuotedField(text); !ok {
				return nil
			}
			quoted = true
		} else {
			end := strings.IndexAny(text, ",;\t")
			if delimiter != 0 {
				end = strings.IndexByte(text, delimiter)
			}
			if end < 0 {
				end = len(text)
			}
			field, text = text[:end], text[end:]
		}
		field = strings.TrimSpace(field)
		if name := strings.Trim(field, `"`); len(name)+2 == len(field) && isName(name) {
			field = name // a string of JSON
		}
		fields = append(fields, field)
		if text == "" || text[0] == ']' {
			break
		}
		if delimiter == 0 && strings.IndexByte(",;\t", text[0]) >= 0 {
			delimiter = text[0]
		}
		if text[0] != delimiter {
			return nil
		}
		text = strings.TrimLeft(text[1:], " ")
	}
	if !quoted {
		return nil
	}
	return fields
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
