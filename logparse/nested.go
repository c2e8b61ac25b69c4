package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Log servers put many lines into one document:
//
//	{"streams":[{"stream":{"app":"postfix"},"values":[["1795438656123456789","Nov 23 …"],…]}]}     Loki, push
//	{"status":"success","data":{"result":[{"stream":{…},"values":[…]}]}}                           Loki, query
//	{"messageType":"DATA_MESSAGE","logEvents":[{"timestamp":1795438656123,"message":"Nov 23 …"}]}  CloudWatch
//	{"took":3,"hits":{"hits":[{"_source":{"message":"Nov 23 …","@timestamp":"…"}}]}}               Elasticsearch
//	{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"…","body":{…}}]}]}]}            OpenTelemetry
//	{"results":[[{"field":"@timestamp","value":"…"},{"field":"@message","value":"Nov 23 …"}]]}      CloudWatch, query

// collections are the fields that hold the lines, or objects that do. No others are
// searched: a program may log what strangers sent, arrays included.
var collections = makeSet(`streams data result results values logEvents hits resourceLogs scopeLogs instrumentationLibraryLogs logRecords
	Records records events entries`)

// maxNested bounds objects in each other.
const maxNested = 6

// mayHoldLines reports whether an object may be such a document.
func mayHoldLines(text string) bool {
	return strings.HasPrefix(text, "{") && oneof.Contains(text, "[{", "[[", "[ {", "[ [")
}

// readNested reads the lines in a document. It returns false if there is none.
func (p *Parser) readNested(object string, depth int, yield func(*bounce.Event)) (any bool) {
	if depth == maxNested {
		return false
	}
	for text, more := object[1:], true; more; {
		key, rest, ok := cutKey(skipSpace(text))
		value, after, found := cutValue(rest)
		if !ok || !found {
			break
		}
		if collections[key] {
			switch value[0] {
			case '{':
				any = p.readNested(value, depth+1, yield) || any
			case '[':
				any = p.readElements(value, depth+1, yield) || any
			}
		}
		text, more = strings.CutPrefix(skipSpace(after), ",")
	}
	return any
}

// readElements reads the elements of an array: objects, or pairs of a time and a line.
func (p *Parser) readElements(array string, depth int, yield func(*bounce.Event)) (any bool) {
	for element := range elements(array) {
		u := unusual{near: p.last, follows: p.read}
		switch {
		case strings.HasPrefix(element, "{"):
			found := u.read(element)
			if found || !p.readNested(element, depth, yield) {
				p.finishUnusual(&u, found, element, yield)
			}
			any = true
		case strings.HasPrefix(element, "["):
			if found, ok := u.readPair(element); ok {
				p.finishUnusual(&u, found, element, yield)
				any = true
			}
		}
	}
	return any
}

// readPair reads an array of a time and a line, or of fields. ok is false if it is none.
func (u *unusual) readPair(text string) (found, ok bool) {
	first, rest, _ := cutValue(skipSpace(text[1:]))
	if strings.HasPrefix(first, "{") {
		var o object
		o.setNamed(text)
		return u.takeObject(&o), true
	}
	rest, _ = strings.CutPrefix(skipSpace(rest), ",")
	second, _, _ := cutValue(skipSpace(rest))
	if first == "" || second == "" || second[0] != '"' {
		return false, false
	}
	when, _ := decodeText(first)
	line, _ := decodeText(second)
	if after, stamped := u.stamps[0].cutAny(when); !stamped || after != "" {
		return false, false
	}
	u.n, u.depth = 1, 1
	return u.readMessage(line, false), true
}
