package logparse

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Log collectors write each line as a JSON object. They agree on little but
// that it holds the message, the program, the host and the time, and that the
// message may be the whole line:
//
//	{"log":"Nov 23 12:57:36 mx postfix/smtp[4]: …\n","stream":"stdout","time":"2026-11-23T12:57:36.1Z"}   Docker
//	{"MESSAGE":"4XabcZ: …","SYSLOG_IDENTIFIER":"postfix/smtp","_HOSTNAME":"mx","__REALTIME_TIMESTAMP":"…"}   journalctl -o json
//	{"@timestamp":"…","host":{"name":"mx"},"process":{"name":"postfix/smtp","pid":4},"message":"4XabcZ: …"}   Filebeat
//	{"version":"1.1","host":"mx","short_message":"…","timestamp":1795438656.1,"_application_name":"postfix/smtp"}   GELF

// role is what a field of an object is for.
type role uint8

const (
	roleMessage role = iota
	roleProgram
	roleHost
	roleProcess
	roleTime
	roles // how many of them have several names

	roleUID
	roleComm
	roleExe
)

// candidates is how many fields of one role are kept, the best names first.
const candidates = 8

// field is the role of a name, and how far down it stands among the names with
// the same role.
type field struct {
	role role
	rank uint8
}

// fieldNames are the names of fields, best first within their role; those on one
// line are of the same rank. Nested objects are joined by a dot.
var fieldNames = makeFields(map[role]string{
	roleMessage: `MESSAGE message log
		msg @message syslog_message
		full_message fullmessage
		short_message shortmessage
		line textpayload text
		rawmsg raw _raw rawmessage
		event.original log.original
		content body value`,
	roleProgram: `SYSLOG_IDENTIFIER ident program programname
		process.name appname app_name app-name _application_name application_name syslog.appname log.syslog.appname
		app application syslog_program syslog_identifier identifier
		syslogtag syslog_tag
		process daemon
		labels.program labels.app
		tag
		_COMM`,
	roleHost: `_HOSTNAME hostname
		host host.name host.hostname
		syslog_hostname sysloghost log.syslog.hostname syslog.hostname logsource
		source server node machine
		fromhost fromhost-ip relayhost
		labels.host labels.hostname labels.instance resource.labels.instance_id
		kubernetes.pod_name kubernetes.pod.name pod pod_name
		container_name containername container.name _container_name`,
	roleProcess: `_PID pid procid proc_id process.pid _process_id process_id log.syslog.procid syslog_pid SYSLOG_PID`,
	roleTime: `__REALTIME_TIMESTAMP timereported time_reported timestamp_reported
		@timestamp timestamp
		time
		ts datetime isodate date
		syslog_timestamp eventtime event_time event.created
		timegenerated time_generated
		received_at receivedat
		_SOURCE_REALTIME_TIMESTAMP`,
	roleUID: `_UID`, roleComm: `_COMM`, roleExe: `_EXE`,
})

func makeFields(names map[role]string) map[string][]field {
	fields := make(map[string][]field)
	for role, lines := range names {
		for rank, line := range strings.Split(lines, "\n") {
			for name := range strings.FieldsSeq(line) {
				fields[name] = append(fields[name], field{role, uint8(rank)})
			}
		}
	}
	return fields
}

// object is what the fields of an object say, as they are written.
type object struct {
	values [roles][candidates]string
	writer writer
	isLog  bool // the message is in the field log, as Docker writes it
}

// envelopes are objects whose fields count as those of the one around them.
var envelopes = makeSet(`_source result data record payload jsonPayload fields attributes json`)

// maxDepth bounds objects in each other, and messages that are objects again.
const maxDepth = 3

// readObject reads a JSON object at the front of a text.
func (u *unusual) readObject(text string) bool {
	if u.depth == maxDepth {
		return false
	}
	u.depth++
	var o object
	if _, ok := o.scan(text, "", 0); !ok {
		return false
	}
	// The outermost journal knows who wrote the entry; the rest is in the message.
	if u.writer == (writer{}) {
		u.writer = o.writer
	}
	if s, ok := o.stamp(); ok && u.n < maxStamps {
		u.stamps[u.n] = s
		u.n++
		u.inner = ""
	}
	if u.named > 0 && u.source == "" {
		u.source = u.names
	}
	u.names, u.named, u.facility, u.passedOn = "", 0, "", false
	if host := o.first(roleHost); host != "" {
		u.host = host
	}
	u.tag, u.pid = o.program()
	if pid := o.first(roleProcess); u.pid == "" {
		u.pid = pid
	}
	for _, raw := range o.values[roleMessage] {
		if raw == "" {
			continue
		}
		if text, ok := decodeText(raw); ok && u.readMessage(text, o.isLog) {
			return true
		}
	}
	return false
}

// readMessage reads the message of an object. It may be the words of the program
// that the object names, or a line with a header of its own.
func (u *unusual) readMessage(text string, isLog bool) bool {
	text = strings.TrimRight(text, "\r\n")
	known := isDaemonTag(u.tag) || isServerTag(u.tag)
	inside := *u
	inside.inner = ""
	// Behind the name of another program only a whole header counts.
	inside.passedOn = u.tag != ""
	if !isDaemonTag(u.tag) && !isOtherProgram(u.tag) && inside.readParts(undecorate(text)) {
		if inside.inner == "" {
			inside.synthesized = true
		} else if isLog && u.depth == 1 {
			inside.inner = "" // the object is the line, as it always was
		}
		*u = inside
		return true
	}
	if !known {
		return false
	}
	u.tagOut, u.pidOut, u.body, u.synthesized = u.tag, u.pid, strings.TrimLeft(text, " "), true
	return true
}

// program returns the tag and the process that the object names.
func (o *object) program() (tag, pid string) {
	for _, raw := range o.values[roleProgram] {
		text, _ := decodeText(raw)
		name, pid, _, _ := cutAnyTag(strings.TrimSpace(text))
		if name != "" && !isLevel(name) && !isFacility(name) && name != "-" {
			return name, pid
		}
	}
	return "", ""
}

// first returns the best value of a role.
func (o *object) first(role role) string {
	for _, raw := range o.values[role] {
		if raw == "" {
			continue
		}
		if text, _ := decodeText(raw); text != "-" && !isLevel(text) {
			return text
		}
	}
	return ""
}

// stamp returns the time of the best field that has one.
func (o *object) stamp() (s stamp, ok bool) {
	for _, raw := range o.values[roleTime] {
		if raw == "" {
			continue
		}
		text, _ := decodeText(raw)
		if rest, ok := s.cutAny(text); ok && rest == "" {
			return s, true
		}
		if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 1e8 && seconds < 1e19 {
			s.set(time.Unix(0, int64(seconds*1e6)*1e3))
			return s, true
		}
	}
	return s, false
}

// scan reads an object. parent is the path of an object inside of another.
func (o *object) scan(text, parent string, depth int) (rest string, ok bool) {
	text = skipSpace(text[1:])
	if strings.HasPrefix(text, "}") {
		return text[1:], true
	}
	for {
		var key, value string
		if key, text, ok = cutValue(text); !ok || key[0] != '"' {
			return "", false
		}
		key = key[1 : len(key)-1]
		if text = skipSpace(text); text == "" || text[0] != ':' {
			return "", false
		}
		text = skipSpace(text[1:])
		if parent != "" {
			key = parent + "." + key
		}
		if strings.HasPrefix(text, "{") && depth < maxDepth {
			if envelopes[key] {
				key = ""
			}
			if text, ok = o.scan(text, key, depth+1); !ok {
				return "", false
			}
		} else {
			if value, text, ok = cutValue(text); !ok {
				return "", false
			}
			o.set(key, value)
		}
		switch text = skipSpace(text); {
		case strings.HasPrefix(text, ","):
			text = skipSpace(text[1:])
		case strings.HasPrefix(text, "}"):
			return text[1:], true
		default:
			return "", false
		}
	}
}

// set takes the value of a field, if nothing of its rank is known yet.
func (o *object) set(key, value string) {
	fields := fieldNames[key]
	if fields == nil {
		if fields = fieldNames[strings.ToLower(key)]; fields == nil {
			return
		}
	}
	for _, f := range fields {
		switch f.role {
		case roleUID:
			o.writer.UID, _ = decodeText(value)
		case roleComm:
			o.writer.Comm, _ = decodeText(value)
		case roleExe:
			o.writer.Exe, _ = decodeText(value)
		default:
			if o.values[f.role][f.rank] == "" && value != "null" {
				o.values[f.role][f.rank] = value
				o.isLog = o.isLog || key == "log"
			}
		}
	}
}

// cutValue cuts a value off: a string with its quotes, a number, a word, an
// array, or an object that is nested too deeply to matter.
func cutValue(text string) (value, rest string, ok bool) {
	if text == "" {
		return "", "", false
	}
	switch text[0] {
	case '"':
		for end := 1; ; end++ {
			next := strings.IndexByte(text[end:], '"')
			if next < 0 {
				return "", "", false
			}
			end += next
			slashes := 0
			for text[end-1-slashes] == '\\' {
				slashes++
			}
			if slashes%2 == 0 {
				return text[:end+1], text[end+1:], true
			}
		}
	case '[', '{':
		return cutNested(text)
	}
	end := strings.IndexAny(text, ",}] \t\r\n")
	if end < 1 {
		return "", "", false
	}
	return text[:end], text[end:], true
}

// cutNested cuts an array or an object off.
func cutNested(text string) (value, rest string, ok bool) {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return text[:at+1], text[at+1:], true
			}
		case '"':
			quoted, _, ok := cutValue(text[at:])
			if !ok {
				return "", "", false
			}
			at += len(quoted) - 1
		}
	}
	return "", "", false
}

func skipSpace(text string) string {
	if text != "" && text[0] > ' ' {
		return text
	}
	return strings.TrimLeft(text, " \t\r\n")
}

// decodeText returns what a value holds as text. An array is that of its bytes,
// as journalctl writes what is no UTF-8, or of strings that are all the same: one
// with different strings could be read in several ways.
func decodeText(raw string) (string, bool) {
	switch {
	case raw == "" || raw == "null":
		return "", false
	case raw[0] == '"':
		return decodeString(raw[1 : len(raw)-1]), true
	case raw[0] != '[':
		return raw, true
	}
	var bytes []byte
	var text string
	for rest := skipSpace(raw[1:]); ; {
		value, after, ok := cutValue(rest)
		if !ok {
			return "", false
		}
		if value[0] == '"' {
			if next := decodeString(value[1 : len(value)-1]); text != "" && next != text {
				return "", false
			} else {
				text = next
			}
		} else {
			n, err := strconv.Atoi(value)
			if err != nil || n < -128 || n > 255 {
				return "", false
			}
			bytes = append(bytes, byte(n))
		}
		rest = strings.TrimLeft(after, ", \t")
		if strings.HasPrefix(rest, "]") {
			break
		}
	}
	return text + string(bytes), text == "" || len(bytes) == 0
}

// decodeString undoes the escapes of a JSON string.
func decodeString(s string) string {
	next := strings.IndexByte(s, '\\')
	if next < 0 {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for next >= 0 && next+1 < len(s) {
		out.WriteString(s[:next])
		c := s[next+1]
		s = s[next+2:]
		if c == 'u' {
			var r rune
			r, s = cutRune(s)
			out.WriteRune(r)
		} else if at := strings.IndexByte("ntrbf", c); at >= 0 {
			out.WriteByte("\n\t\r\b\f"[at])
		} else {
			out.WriteByte(c)
		}
		next = strings.IndexByte(s, '\\')
	}
	out.WriteString(s)
	return out.String()
}

// cutRune reads the digits of \u003c, and a second half behind the first of a
// character that has two.
func cutRune(s string) (rune, string) {
	first, ok := hex4(s)
	if !ok {
		return utf8.RuneError, s
	}
	s = s[4:]
	if utf16.IsSurrogate(first) && strings.HasPrefix(s, `\u`) {
		if second, ok := hex4(s[2:]); ok {
			return utf16.DecodeRune(first, second), s[6:]
		}
	}
	return first, s
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[:4]) {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
