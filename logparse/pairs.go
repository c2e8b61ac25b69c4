package logparse

import "strings"

// Some collectors write names and values without the marks of JSON.

// readPairs reads pairs of names and values (logfmt, and the line protocol of Telegraf,
// which ends with the time in nanoseconds):
//
//	time=2026-11-23T12:57:36Z level=info host=mx program=postfix/smtp msg="4f1XyZ: removed"
//	syslog,appname=postfix/smtp,hostname=mx message="4f1XyZ: removed",version=1i 1795438656123456789
func (u *unusual) readPairs(text string) bool {
	var o object
	ends := " "
	measurement, pairs, found := strings.Cut(text, ",")
	ofTelegraf := found && isName(measurement)
	if ofTelegraf {
		text, ends = pairs, " ,"
	}
	for range maxParts {
		name, value, rest, ok := cutPair(text, ends)
		if !ok {
			return false
		}
		o.set(name, value)
		text = strings.TrimLeft(rest, " \t,")
		if ofTelegraf && text != "" && isNumber(text) {
			o.set("timestamp", text)
			text = ""
		}
		if text == "" {
			return u.depth < maxDepth && u.takeObject(&o)
		}
	}
	return false
}

// readLTSV reads names and values that tabs separate, as Fluentd writes them:
//
//	time:2026-11-23T12:57:36Z<tab>host:mx<tab>ident:postfix/smtp<tab>message:4f1XyZ: removed
func (u *unusual) readLTSV(text string) bool {
	var o object
	for field := range strings.SplitSeq(text, "\t") {
		name, value, found := strings.Cut(field, ":")
		if !found || !isName(name) {
			return false
		}
		o.set(name, value)
	}
	return u.depth < maxDepth && u.takeObject(&o)
}

// cutPair cuts a name and its value off. One of the bytes in ends follows a value without
// quotes.
func cutPair(text, ends string) (name, value, rest string, ok bool) {
	at := strings.IndexByte(text[:min(len(text), maxName)], '=')
	if at < 1 || !isName(text[:at]) {
		return "", "", "", false
	}
	name, text = text[:at], text[at+1:]
	if strings.HasPrefix(text, `"`) {
		value, rest, ok = cutValue(text)
		return name, value, rest, ok
	}
	end := strings.IndexAny(text, ends)
	if end < 0 {
		end = len(text)
	}
	value, rest = text[:end], text[end:]
	if number, found := strings.CutSuffix(value, "i"); found && isNumber(number) {
		value = number // an integer of the line protocol
	}
	return name, value, rest, true
}
