package logparse

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Log collectors write each line as a JSON object. They agree on little but
// that it holds the message, the program, the host and the time, and that the
// message may be the whole line:
//
//	{"log":"Nov 23 12:57:36 mx postfix/smtp[4]: …\n","stream":"stdout","time":"2026-11-23T12:57:36.1Z"}   Docker
//	{"MESSAGE":"4XabcZ: …","SYSLOG_IDENTIFIER":"postfix/smtp","_HOSTNAME":"mx","__REALTIME_TIMESTAMP":"…"}   journalctl -o json
//	{"@timestamp":"…","host":{"name":"mx"},"process":{"name":"postfix/smtp","pid":4},"message":"4XabcZ: …"}   Filebeat
//	date=2026-11-23 time=12:57:36.123 device_id=FE… session_id="6AND4fXN000084-6AND4fXN000084" msg="to=<a@b.example>, …"   FortiMail
//	{"version":"1.1","host":"mx","short_message":"…","timestamp":1795438656.1,"_application_name":"postfix/smtp"}   GELF

// object is what the fields of an object say, as they are written.
type object struct {
	values [roles][candidates]string
	writer writer
	isLog  bool // the message is in the field log, as Docker writes it
	// session is that of FortiMail, which names its Sendmail's queue ID twice.
	session  string
	fortinet bool              // see session
	parts    map[string]string // of a delivery of Postfix, see delivery
	// ambiguous means that two fields of the same rank hold different messages, or that
	// the message begins in the middle of a line.
	ambiguous bool
	delivered bool // a field holds the outcome of a delivery

	keys *fieldKeys // nil if none are kept
	n    int        // fields that were read
}

// envelopes are objects whose fields count as those of the one around them.
var envelopes = makeSet(`_source result data record payload jsonPayload fields FIELDS tags LogMessage logContent attributes json
	message content`)

// maxDepth bounds objects in each other, and messages that are objects again.
const maxDepth = 3

// readObject reads a JSON object at the front of a text.
func (u *unusual) readObject(text string) bool {
	if u.depth == maxDepth {
		return false
	}
	o := object{keys: u.keys}
	behind, ok := o.scan(text, "", 0)
	if !ok {
		return false
	}
	if u.depth == 0 {
		u.behind = behind
	}
	return u.takeObject(&o)
}

// isName reports whether a text may be the name of a field.
func isName(text string) bool {
	return text != "" && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789_.-@") == ""
}

// takeObject reads the message of an object whose fields are known.
func (u *unusual) takeObject(o *object) bool {
	u.takeFields(o)
	if u.tag == smtpServer {
		u.tagOut, u.synthesized = u.tag, true // whatever it says
		return true
	}
	if o.ambiguous {
		return false
	}
	isAgent := deliveryAgents[postfixDaemon(u.tag)]
	// Only the best field: a program may write into the others what strangers sent.
	raw := cmp.Or(o.values[roleMessage][:]...)
	if raw == "" {
		text := o.delivery("")
		return text != "" && isAgent && u.readMessage(text, false)
	}
	text, ok := decodeText(raw)
	switch {
	case u.tag == "sendmail" && o.fortinet:
		text = o.session + ": " + text
	case o.delivered && isAgent && !strings.Contains(text, "status="):
		if text = o.delivery(text); text == "" {
			return false // findDelivery counts it
		}
	}
	if isOtherProgram(u.tag) && !passesOn(u.tag, text) {
		u.foreign = true // which quotes what strangers sent
		return false
	}
	return ok && u.readMessage(text, o.isLog)
}

// takeFields takes what an object says about the header of its message.
func (u *unusual) takeFields(o *object) {
	u.depth++
	// The outermost journal knows who wrote the entry; the rest is in the message.
	if u.writer == (writer{}) {
		u.writer = o.writer
	}
	s, ok := o.stamp()
	if !ok {
		s, ok = o.dateAndTime()
	}
	if ok && u.n < maxStamps {
		u.stamps[u.n] = s
		u.n++
		u.inner = ""
	}
	u.beginHeader()
	u.contained = o.isLog
	u.host = cmp.Or(o.first(roleHost), u.host)
	if u.tag, u.pid = o.program(); u.tag == "" && o.fortinet && o.session != "" {
		u.tag = "sendmail"
	}
	u.pid = cmp.Or(u.pid, o.first(roleProcess))
}

// withoutHost takes the name of the host off a message. Graylog repeats it there.
func (u *unusual) withoutHost(text string) string {
	rest, found := strings.CutPrefix(text, u.host)
	if u.host == "" || !found || !strings.HasPrefix(rest, " ") || !beginsWithTag(rest[1:]) {
		return text
	}
	return rest[1:]
}

// readMessage reads the message of an object. It may be the words of the program
// that the object names, or a line with another header.
func (u *unusual) readMessage(text string, isLog bool) bool {
	text = u.withoutHost(strings.TrimRight(text, "\r\n"))
	if postfixDaemons[u.tag] && tagOf(strings.TrimLeft(text, " ")) == "postfix" {
		u.tag = "postfix/" + u.tag // the name of the process
	}
	other := isOtherProgram(u.tag) && !passesOn(u.tag, text)
	if !other && u.takePrinted(text) {
		return true
	}
	known := isDaemonTag(u.tag) || isServerTag(u.tag)
	isLine := isLog && u.depth == 1 // the object is the line, as it always was
	// Behind the name of another program only a whole header counts.
	if !other && u.takeLine(withoutColours(text), u.tag != "") {
		if isLine {
			u.inner = ""
		}
		return true
	}
	if !known {
		return false
	}
	u.tagOut, u.pidOut, u.body, u.synthesized = u.tag, u.pid, strings.TrimLeft(text, " "), true
	return true
}

// takeLine reads a line that has a header and is a value of an object or a table that
// names its program. If that is one of Postfix's, the line must name it as well.
func (u *unusual) takeLine(text string, passedOn bool) bool {
	inside := *u
	inside.inner, inside.passedOn = "", passedOn
	if !inside.readParts(text) || isDaemonTag(u.tag) && !inside.repeats(u) {
		return false
	}
	if inside.inner == "" {
		inside.synthesized = true
	}
	*u = inside
	return true
}

// repeats reports whether a line has a stamp and the tag that the object around it
// names: a collector has taken the tag out of the line and left the line whole.
func (u *unusual) repeats(object *unusual) bool {
	return u.n > object.n && u.tagOut == object.tag
}

// program returns the tag and the process that the object names. Rsyslog's
// programname ends at the slash; another field then has the whole tag.
func (o *object) program() (tag, pid string) {
	for _, raw := range o.values[roleProgram] {
		text, _ := decodeText(raw)
		name, process, _, _ := cutAnyTag(strings.TrimSpace(text))
		switch {
		case name == "" || isLevel(name) || isFacility(name) || name == "-":
		case tag == "":
			tag, pid = name, process
		case strings.HasPrefix(name, tag+"/"):
			return name, process
		}
	}
	return tag, pid
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
		if raw[0] == '"' {
			// The usual forms may end with the quotation mark.
			if rest, ok := s.cut(raw[1:]); ok && rest == "" && !s.exim {
				return s, true
			}
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

// dateAndTime returns a stamp in two fields, date=2026-11-23 time=12:57:36.123.
func (o *object) dateAndTime() (s stamp, ok bool) {
	var date, clock string
	for _, raw := range o.values[roleTime] {
		switch text, _ := decodeText(raw); {
		case len(text) == len("2026-11-23") && text[4] == '-':
			date = text
		case len(text) >= len("12:57:36") && text[2] == ':':
			clock = text
		}
	}
	rest, ok := s.cutAny(date + " " + clock)
	return s, ok && rest == ""
}

// scan reads an object. parent is the path of an object inside of another.
func (o *object) scan(text, parent string, depth int) (rest string, ok bool) {
	text = skipSpace(text[1:])
	if strings.HasPrefix(text, "}") {
		return text[1:], true
	}
	for {
		var key, value string
		if key, text, ok = cutKey(text); !ok {
			return "", false
		}
		if parent != "" {
			key = parent + "." + key
		}
		if strings.HasPrefix(text, "{") && depth < maxDepth {
			if envelopes[key] {
				key = ""
			}
			text, ok = o.scan(text, key, depth+1)
		} else if value, text, ok = cutValue(text); ok {
			o.set(key, value)
		}
		if !ok {
			return "", false
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

// key returns what a name means, that of the next field.
func (o *object) key(name string) fieldKey {
	if o.keys == nil || o.n == len(o.keys) {
		return keyOf(name)
	}
	k := &o.keys[o.n]
	if o.n++; k.name != name {
		*k = keyOf(strings.Clone(name))
	}
	return *k
}

// setSpecial takes the value of a field that has no role.
func (o *object) setSpecial(name, value string) {
	switch {
	case name == "CONTAINER_PARTIAL_ORDINAL" && value != `"1"`:
		o.ambiguous = true // the rest of a long line, see continues
	case name == "session_id":
		text, _ := decodeText(value)
		o.session, _, _ = strings.Cut(text, "-")
	case deliveryParts[name] != "":
		if o.parts == nil {
			o.parts = make(map[string]string)
		}
		o.parts[deliveryParts[name]], _ = decodeText(value)
	case name == namedValues:
		o.setNamed(value)
	case name == "device_id":
		o.fortinet = strings.HasPrefix(value, "FE")
	}
	o.delivered = o.delivered || strings.HasSuffix(name, "status") && outcomeValue.MatchString(value)
}

// setNamed takes the fields of an array of names and values.
//
//	[{"key":"message","value":{"stringValue":"4XabcZ: …"}}]   OpenTelemetry
//	[{"field":"@message","value":"Nov 23 12:57:36 mx …"}]     CloudWatch Logs Insights
func (o *object) setNamed(array string) {
	for element := range elements(array) {
		if m := namedValue.FindStringSubmatch(element); m != nil {
			o.set(m[1], m[2])
		}
	}
}

// namedValue matches an element of such an array.
var namedValue = lazyre.New(`^\{\s*"(?:key|field)"\s*:\s*"([^"\\]*)"\s*,\s*"value"\s*:\s*(?:\{\s*"stringValue"\s*:\s*)?("(?:[^"\\]|\\.)*")`)

// namedValues is the field of OpenTelemetry that holds one.
const namedValues = "body.kvlistValue.values"

// set takes the value of a field, if nothing of its rank is known yet.
func (o *object) set(name, value string) {
	key := o.key(name)
	if key.special {
		o.setSpecial(name, value)
	}
	for _, f := range key.fields {
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
				o.isLog = o.isLog || name == "log"
			} else if f.role == roleMessage && o.values[f.role][f.rank] != value && value != "null" {
				o.ambiguous = true
			}
		}
	}
}
