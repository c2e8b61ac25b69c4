package logparse

import "strings"

// The tag of a program in a header of an unusual form.

// cutAnyTag reads "postfix/smtp[474]:". marked is whether a process or a colon
// is there.
func cutAnyTag(rest string) (tag, pid, after string, marked bool) {
	end := 0
	for end < len(rest) && end <= maxName && (isAlphanumeric[rest[end]] || strings.IndexByte("/-_.@+", rest[end]) >= 0) {
		end++
	}
	if end == 0 || end > maxName {
		return "", "", "", false
	}
	tag, after = rest[:end], rest[end:]
	if strings.HasPrefix(after, "[") {
		if close := strings.IndexByte(after[:min(len(after), 24)], ']'); close > 0 && isProcess(after[1:close]) {
			pid, after, marked = after[1:close], after[close+1:], true
		}
	}
	if strings.HasPrefix(after, ":") {
		after, marked = after[1:], true
	} else if number, behind, ok := cutProcessApart(after); ok {
		pid, after, marked = number, behind, true
	} else if after != "" && strings.IndexByte(delimiters, after[0]) < 0 {
		return "", "", "", false
	}
	return tag, pid, after, marked
}

// cutProcessApart reads " [474]:".
func cutProcessApart(text string) (pid, rest string, ok bool) {
	text, apart := strings.CutPrefix(text, " [")
	if !apart {
		return "", "", false
	}
	pid, rest, ok = strings.Cut(text, "]:")
	return pid, rest, ok && allAlphanumeric(pid)
}

// isProcess reports whether a text in brackets may be a process: its number, with that
// of a thread (macOS), or its name (app[mail.1]).
func isProcess(text string) bool {
	if process, thread, found := strings.Cut(text, ":"); found {
		return allAlphanumeric(process) && allAlphanumeric(thread)
	}
	return allAlphanumeric(text) || text != "" && !isDigit(text[0]) && strings.IndexByte(text, '.') > 0 && isName(text)
}

// cutGluedTag reads the tag of a mail server with its words directly behind it.
// Rsyslog writes lines that it received as RFC 5424 so with "%syslogtag%%msg%".
//
//	postfix/smtp[474]4f1XyZ: removed
func cutGluedTag(rest string) (tag, pid, after string) {
	start := strings.IndexByte(rest[:min(len(rest), maxName)], '[')
	if start < 1 || strings.IndexByte(rest[:start], '=') > 0 || !isDaemonTag(rest[:start]) && !isServerTag(rest[:start]) {
		return "", "", ""
	}
	end := strings.IndexByte(rest[start:min(len(rest), start+12)], ']')
	if end < 2 || !allAlphanumeric(rest[start+1:start+end]) {
		return "", "", ""
	}
	after = rest[start+end+1:]
	var own stamp
	if _, ok := own.cut(after); tagOf(after) == "" && (!ok || !own.exim) {
		return "", "", ""
	}
	return rest[:start], rest[start+1 : start+end], after
}

// cutFields returns what follows a tag, without what templates put in between.
func cutFields(rest string) string {
	if body, ok := cutFiller(rest); ok {
		return body
	}
	rest = strings.TrimLeft(rest, " \t]),;:|")
	if code, found := strings.CutPrefix(rest, "`"); found { // in a table of Markdown
		return strings.TrimSuffix(code, "`")
	}
	return rest
}
