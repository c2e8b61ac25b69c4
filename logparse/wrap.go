package logparse

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// What stands around a line where something else than syslog has kept it.

// journalEntry is what the fields of the journal's JSON form that are read
// (journalctl -o json, systemd-journal-gatewayd). MESSAGE is a string, or an
// array of numbers where it is no UTF-8, or null where it is very long.
type journalEntry struct {
	Message    json.RawMessage `json:"MESSAGE"`
	Identifier string          `json:"SYSLOG_IDENTIFIER"`
	Host       string          `json:"_HOSTNAME"`
	PID        string          `json:"_PID"`
	Realtime   string          `json:"__REALTIME_TIMESTAMP"` // microseconds since 1970
	writer

	// of Docker's json-file driver
	Log *string `json:"log"`
}

// unwrap takes a line out of what was put around it:
//
//	{"log":"Nov 23 12:57:36 mx postfix/smtp[4]: …\n","stream":"stdout","time":"2026-…"}   Docker
//	2026-11-23T12:57:36.123456789Z stdout F Nov 23 12:57:36 mx postfix/smtp[4]: …        Kubernetes
//
// Where the journal's JSON form is around it, it fills the header itself.
func unwrap(line string, h *header) (inner string, done, ok bool) {
	if len(line) > 0 && line[0] == '{' {
		return unwrapJSON(line, h)
	}
	// CRI: a stamp with a T at its place, the stream, F for a full line.
	if len(line) > 40 && line[10] == 'T' && line[4] == '-' {
		at := strings.IndexByte(line[:40], ' ')
		if at < 0 {
			return line, false, true
		}
		for _, stream := range [...]string{"stdout F ", "stderr F "} {
			if rest, found := strings.CutPrefix(line[at+1:], stream); found {
				return rest, false, true
			}
		}
	}
	return line, false, true
}

func unwrapJSON(line string, h *header) (inner string, done, ok bool) {
	// A literal turns other programs' JSON away before it is taken apart.
	if !strings.Contains(line, `"MESSAGE"`) && !strings.Contains(line, `"log"`) {
		return "", false, false
	}
	var e journalEntry
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return "", false, false
	}
	if e.Log != nil {
		return strings.TrimRight(*e.Log, "\r\n"), false, true
	}
	micros, err := strconv.ParseInt(e.Realtime, 10, 64)
	if err != nil || !h.setMessage(e.Message) {
		return "", false, false
	}
	h.tag, h.host, h.pid = e.Identifier, e.Host, e.PID
	if len(h.tag) == 0 {
		h.tag = e.Comm
	}
	h.writer = e.writer
	h.stamp.set(time.UnixMicro(micros))
	return "", true, true
}

// setMessage takes the body out of the journal's MESSAGE.
func (h *header) setMessage(raw json.RawMessage) bool {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		h.body = text
		return true
	}
	var numbers []uint8
	var values []int
	if json.Unmarshal(raw, &values) != nil || len(values) == 0 {
		return false
	}
	for _, v := range values {
		numbers = append(numbers, byte(v))
	}
	h.body = string(numbers)
	return true
}

// set makes a stamp of a time that is known exactly.
func (s *stamp) set(t time.Time) {
	t = t.UTC()
	*s = stamp{
		year: t.Year(), month: t.Month(), day: t.Day(),
		hour: t.Hour(), minute: t.Minute(), sec: t.Second(), nan: t.Nanosecond(), zoned: true,
	}
}
