package logparse

import "strings"

// runtimeLimit is the length at which container runtimes cut a line into several.
const runtimeLimit = 16 << 10

// continues reports whether a line of a container's log continues the one before. It
// begins in the middle of what a program printed, which may be anything, a header
// included. No mail server writes lines so long. text is what unwrap returned.
//
//	2026-11-23T12:57:36.1Z stdout P a long line …                        CRI: P is partial, F is full
//	2026-11-23T12:57:36.1Z stdout F … and its end
//	{"log":"a long line …","stream":"stdout","time":"…"}                 Docker: no \n at the end
//	{"log":"… and its end\n","stream":"stdout","time":"…"}
func (p *Parser) continues(line, text string) bool {
	stream, partial := uint8(1), false
	if line[0] == '{' {
		behind := line[len(`{"log":"`)+len(text):]
		if strings.HasPrefix(behind, `","stream":"stderr"`) {
			stream = 2
		}
		partial = len(text) >= runtimeLimit && !endsLine(text)
	} else {
		at := len(line) - len(text) - len("stdout F ")
		if line[at:at+len("stderr")] == "stderr" {
			stream = 2
		}
		partial = line[len(line)-len(text)-2] == 'P'
	}
	continues := p.cut&stream != 0
	if p.cut &^= stream; partial {
		p.cut |= stream
	}
	return continues
}

// endsLine reports whether a JSON string without its quotes ends with a newline.
func endsLine(text string) bool {
	body, found := strings.CutSuffix(text, `\n`)
	backslashes := len(body) - len(strings.TrimRight(body, `\`))
	return found && backslashes%2 == 0
}
