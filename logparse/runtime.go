package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// unwrapped is a line without what a container's runtime put around it.
type unwrapped struct {
	inner string
	outer string // begins with the runtime's stamp; empty if there is none
}

// unwrap takes off what a container's runtime puts around a line. Docker escapes the
// line, and it stays so.
//
//	{"log":"Nov 23 12:57:36 mx postfix/smtp[4]: …\n","stream":"stdout","time":"2026-11-23T12:57:36.1Z"}
//	2026-11-23T12:57:36.123456789Z stdout F Nov 23 12:57:36 mx postfix/smtp[4]: …   CRI: Kubernetes, Podman
func unwrap(line string) unwrapped {
	const before, behind, stamp = `{"log":"`, `","stream":"std`, `"time":"`
	switch {
	case len(line) < len("2026-11-23T12:57:36Z stdout F "):
	case line[10] == 'T' && line[4] == '-':
		rest, outer := cutRuntimeStamp(line)
		if outer == "" || !strings.HasPrefix(rest, "std") {
			break
		}
		for _, stream := range [...]string{"stdout F ", "stderr F ", "stdout P ", "stderr P "} {
			if inner, found := strings.CutPrefix(rest, stream); found {
				return unwrapped{inner, outer}
			}
		}
	case line[0] == '{' && line[:len(before)] == before:
		end := strings.Index(line, behind)
		at := strings.LastIndex(line, stamp)
		// A quote that is escaped is no end, and another field may be called time.
		if end < len(before) || at < end || line[end-1] == '\\' || !strings.HasSuffix(line, `Z"}`) || len(line)-at > 50 {
			break
		}
		return unwrapped{line[len(before):end], line[at+len(stamp):]}
	}
	return unwrapped{inner: line}
}

// unescaped returns what unwrap does, with the line as it was printed.
func unescaped(line string) unwrapped {
	t := unwrap(line)
	if t.outer != "" && line[0] == '{' {
		t.inner = decodeLine(t.inner)
	}
	return t
}

// cutRuntimeStamp takes the stamp of a container's runtime off a line. outer begins with
// it, or is empty if there is none.
//
//	2026-11-23T12:57:36.123456789Z Nov 23 12:57:36 mx postfix/smtp[474]: …   docker logs -t
func cutRuntimeStamp(line string) (rest, outer string) {
	at := strings.IndexByte(line[:min(len(line), 40)], ' ')
	if at < 20 || line[4] != '-' || line[10] != 'T' {
		return line, ""
	}
	return line[at+1:], line
}

// runtimeLimit is the length at which container runtimes cut a line into several.
const runtimeLimit = 16 << 10

// continues reports whether a line of a container's log is a part of a longer one, whose
// other parts are before or behind it. A later part begins in the middle of what a program
// printed, which may be anything, a header included. Kubernetes cuts lines, CRI-O and
// Podman also where a buffer ended, and the parts are put together. Docker cuts only lines
// that are longer than those of mail servers, and the later parts are left out. text is
// what unwrap returned.
//
//	2026-11-23T12:57:36.1Z stdout P a long line …                        CRI: P is partial, F is full
//	2026-11-23T12:57:36.1Z stdout F … and its end
//	{"log":"a long line …","stream":"stdout","time":"…"}                 Docker: no \n at the end
//	{"log":"… and its end\n","stream":"stdout","time":"…"}
func (p *Parser) continues(line, text string, yield func(*bounce.Event)) bool {
	stream := uint8(1)
	if line[0] == '{' {
		behind := line[len(`{"log":"`)+len(text):]
		if strings.HasPrefix(behind, `","stream":"stderr"`) {
			stream = 2
		}
		continues := p.cut&stream != 0
		if p.cut &^= stream; len(text) >= runtimeLimit && !endsLine(text) {
			p.cut |= stream
		}
		return continues
	}
	at := len(line) - len(text) - len("stdout F ")
	name := line[at : at+len("stdout")]
	if name == "stderr" {
		stream = 2
	}
	partial := line[len(line)-len(text)-2] == 'P'
	if !partial && p.cut&stream == 0 {
		return false
	}
	p.joinParts(line[:at]+name+" F ", name, text, p.cut&stream == 0)
	if partial {
		p.cut |= stream
		return true
	}
	p.cut &^= stream
	if parts := p.pieces[name]; parts != nil {
		delete(p.pieces, name)
		p.Line(string(parts.Body), yield)
		p.counts.Lines--
	}
	return true
}

// joinParts puts a part of a line to those before it of the same stream. Of what is too
// long to be parsed the rest is left out.
func (p *Parser) joinParts(before, stream, text string, first bool) {
	if first {
		if p.pieces == nil {
			p.pieces = make(map[string]*fragments)
		}
		p.pieces[strings.Clone(stream)] = &fragments{Next: 2, Of: 2, Body: []byte(before)}
	}
	f := p.pieces[stream]
	if f == nil {
		return // its beginning was in a file that is gone, or was taken out by ScrubState
	}
	f.line = p.counts.Lines
	f.Body = append(f.Body, text[:min(len(text), max(0, 2*longest-len(f.Body)))]...)
}

// endsLine reports whether a JSON string without its quotes ends with a newline.
func endsLine(text string) bool {
	body, found := strings.CutSuffix(text, `\n`)
	backslashes := len(body) - len(strings.TrimRight(body, `\`))
	return found && backslashes%2 == 0
}
