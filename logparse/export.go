package logparse

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// exportEntry is an entry of the journal in the form of journalctl -o export, of
// which some lines were read. An empty line ends it. A value that is not text
// follows a line with the name: eight bytes with its length, the value, and a
// newline (systemd's docs/JOURNAL_EXPORT_FORMATS.md):
//
//	__CURSOR=s=…
//	__REALTIME_TIMESTAMP=1795438656123456
//	SYSLOG_IDENTIFIER=postfix/smtp
//	MESSAGE=4f1XyZ: to=<a@b.example>, …
type exportEntry struct {
	Fields map[string][]byte `json:"fields"`
	Name   string            `json:"name,omitempty"` // of a value that is being read
	Value  []byte            `json:"value,omitempty"`
	// Broken means that the end of a value was not found. Whoever wrote the value
	// could have written the lines behind it, so nothing more is read.
	Broken bool `json:"broken,omitempty"`

	Object  []byte `json:"object,omitempty"` // read of an object so far (multiline.go)
	Parted  bool   `json:"parted,omitempty"` // Object holds the parts of a broken line (broken.go)
	Verbose bool   `json:"verbose,omitempty"`
	Done    bool   `json:"done,omitempty"` // the entry was read; only its rest follows
}

// exported are the fields that are kept.
var exported = makeSet(`MESSAGE SYSLOG_IDENTIFIER _HOSTNAME _PID __REALTIME_TIMESTAMP _UID _COMM _EXE CONTAINER_PARTIAL_ORDINAL`)

// maxExported bounds a value that is no text.
const maxExported = 64 << 10

// goesOn reads a line of the entry that is being read. If the line is no part of it, that
// ends the entry.
func (p *Parser) goesOn(line string, yield func(*bounce.Event)) bool {
	if p.readExport(line, yield) {
		return true
	}
	p.endExport(yield)
	return false
}

// readExport reads a line of an entry. It returns false if the line is of
// another form.
func (p *Parser) readExport(line string, yield func(*bounce.Event)) bool {
	e := p.export
	if e != nil && e.Broken {
		return true
	}
	if e != nil && e.Parted {
		return p.readBroken(line, yield)
	}
	if e != nil && (e.Verbose || e.Object != nil) {
		return p.readMultiline(line, yield)
	}
	if e != nil && e.Name != "" {
		p.readExportedValue(line)
		return true
	}
	name, value, found := strings.Cut(line, "=")
	begins := name == "__CURSOR" || name == "__REALTIME_TIMESTAMP" && (e == nil || e.Fields[name] != nil)
	switch {
	case begins && found:
		p.endExport(yield)
		p.export = &exportEntry{Fields: map[string][]byte{strings.Clone(name): []byte(value)}}
		return true
	case e == nil:
		return false
	case line == "":
		p.endExport(yield)
		return true
	case !isFieldName(name):
		return false
	case found:
		if exported[name] {
			e.Fields[strings.Clone(name)] = []byte(value)
		}
	default:
		e.Name, e.Value = strings.Clone(name), []byte{}
	}
	return true
}

// readExportedValue reads a line of a value that is no text.
func (p *Parser) readExportedValue(line string) {
	e := p.export
	e.Value = append(append(e.Value, line...), '\n')
	if len(e.Value) < 9 {
		return
	}
	size := binary.LittleEndian.Uint64(e.Value)
	switch have := uint64(len(e.Value) - 9); {
	case size > maxExported || have > size:
		p.count(shape{p.grammars[0].mta, brokenExportShape}, "journalctl -o export", lostID(string(e.Value)))
		*e = exportEntry{Broken: true}
	case have == size:
		if exported[e.Name] {
			e.Fields[e.Name] = e.Value[8 : 8+size]
		}
		e.Name, e.Value = "", nil
	}
}

// brokenExportShape is the shape under which a value is counted that ends the
// reading of an export.
const brokenExportShape = "journal export: a value is too long, the rest was not read; use journalctl -o json"

func isFieldName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && !isDigit(c) && (c < 'A' || 'Z' < c) {
			return false
		}
	}
	return s != ""
}

// field returns the value of a field, or an empty string.
func (e *exportEntry) field(name string) string { return string(e.Fields[name]) }

// endExport reads the entry that is complete.
func (p *Parser) endExport(yield func(*bounce.Event)) {
	e := p.export
	if e == nil || e.Broken {
		return
	}
	p.export = nil
	if e.Parted {
		p.endBroken(string(e.Object), yield)
		return
	}
	if e.Object != nil {
		p.noteLost(string(e.Object)) // its end was not found
		return
	}
	if e.Done || len(e.Fields["MESSAGE"]) == 0 {
		return
	}
	if part := e.field("CONTAINER_PARTIAL_ORDINAL"); part != "" && part != "1" {
		return // the rest of a long line, see continues
	}
	micros, err := strconv.ParseInt(e.field("__REALTIME_TIMESTAMP"), 10, 64)
	if err != nil {
		return
	}
	u := unusual{
		n: 1, depth: 1, host: e.field("_HOSTNAME"), tag: e.field("SYSLOG_IDENTIFIER"), pid: e.field("_PID"),
		writer: writer{UID: e.field("_UID"), Comm: e.field("_COMM"), Exe: e.field("_EXE")},
	}
	if u.tag == "" {
		u.tag = u.writer.Comm
	}
	u.stamps[0].set(time.UnixMicro(micros))
	message := e.field("MESSAGE")
	p.finishUnusual(&u, u.readMessage(message, false), u.tag+": "+message, yield)
}
