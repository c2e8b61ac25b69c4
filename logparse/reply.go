package logparse

import (
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// address matches the text between angle brackets: a quoted local part may hold
// anything (RFC 5321, section 4.1.2).
const address = `(?:"(?:[^"\\]|\\.)*"|[^">])*`

// enhancedBehind reads the enhanced code (RFC 3463) directly after a code, also as
// #5.1.1, (#5.1.1), (5.1.1) and [5.1.1].
var enhancedBehind = lazyre.New(`^[245]\d\d[ -]\s*[(\[]?#?([245]\.\d{1,3}\.\d{1,3})(?:[^\d.]|\.?$|\.\D)`)

// enhancedMarked reads the mark of qmail and its kin anywhere in a reply:
//
//	550 sorry, no mailbox here by that name (#5.1.1)
var enhancedMarked = lazyre.New(`#([245]\.\d{1,3}\.\d{1,3})\b|[(\[]([245]\.\d{1,3}\.\d{1,3})[)\]]`)

// setReply takes the codes out of a reply. decides is the line that does, as
// the MTA sees it.
func setReply(r *bounce.Reply, text, decides string) {
	r.Text = text
	if len(decides) < 3 || !isCode(decides[:3]) || len(decides) > 3 && decides[3] != ' ' && decides[3] != '-' {
		return
	}
	r.SMTPCode, _ = strconv.Atoi(decides[:3])
	r.EnhancedCode = enhancedCode(decides)
}

// enhancedCode finds the enhanced code in a line of a reply.
func enhancedCode(line string) string {
	if code, ok := fastEnhanced(line); ok {
		return code
	}
	if m := enhancedBehind.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	if !hasByte(line, '#', '(', '[') {
		return ""
	}
	if m := enhancedMarked.FindStringSubmatch(line); m != nil {
		return m[1] + m[2]
	}
	return ""
}

// fastEnhanced reads "550 5.1.1 " or "550-5.1.1 ". It returns an empty code if there is certainly
// none, and false if the expressions have to look.
func fastEnhanced(line string) (code string, ok bool) {
	if len(line) < len("550 5.1.1 ") || line[3] != ' ' && line[3] != '-' || line[0] != '2' && line[0] != '4' && line[0] != '5' {
		return "", false
	}
	switch c := line[4]; {
	case c|0x20 >= 'a' && c|0x20 <= 'z', c == '<':
		return "", !hasByte(line, '#', '(', '[')
	case c != '2' && c != '4' && c != '5':
		return "", false
	}
	at := 5
	for range 2 {
		if line[at] != '.' {
			return "", false
		}
		from := at + 1
		for at = from; at < len(line) && isDigit(line[at]); at++ {
		}
		if at == from || at > from+3 || at == len(line) {
			return "", false
		}
	}
	if line[at] == '.' {
		return "", false
	}
	return line[4:at], true
}

func isCode(s string) bool {
	return isDigit(s[0]) && s[0] != '0' && isDigit(s[1]) && isDigit(s[2])
}

// lastLine returns the line that decides for Postfix, out of lines joined by
// spaces:
//
//	550-5.1.1 The account does not exist. 550 5.1.1 See https://example.com
func lastLine(text string) string {
	if len(text) < 4 || text[3] != '-' || !isCode(text[:3]) {
		return text
	}
	last := ""
	for at := 0; ; {
		next := strings.IndexByte(text[at:], ' ')
		if next < 0 || at+next+4 > len(text) {
			break
		}
		at += next + 1
		line := text[at:]
		// The code of the last line is followed by a space, not by a hyphen.
		if line[0] != '2' && line[0] != '4' && line[0] != '5' || !isCode(line[:3]) || len(line) > 3 && line[3] != ' ' {
			continue
		}
		if line[:3] == text[:3] {
			return line
		}
		// Another code in the last line decides too, but a number within the
		// words is no line: an enhanced code has to follow.
		if last == "" && enhancedBehind.MatchString(line) {
			last = line
		}
	}
	if last == "" {
		return text
	}
	return last
}

// stageOf returns the stage that a mail server names: "RCPT TO:<a@b.example>",
// "end of DATA command", "initial server greeting".
func stageOf(words string) bounce.Stage {
	for _, s := range [...]struct {
		prefix string
		stage  bounce.Stage
	}{
		{"initial connection", bounce.StageGreeting},
		{"initial server greeting", bounce.StageGreeting},
		{"end of data", bounce.StageEndOfData},
		{"end of DATA", bounce.StageEndOfData},
		{"message body", bounce.StageEndOfData},
		{"data block", bounce.StageEndOfData},
		{"BDAT", bounce.StageEndOfData},
		{"DATA", bounce.StageData},
		{"RCPT", bounce.StageRcptTo},
		{"MAIL", bounce.StageMailFrom},
		{"XFORWARD", bounce.StageMailFrom},
		{"STARTTLS", bounce.StageTLS},
		{"TLS handshake", bounce.StageTLS},
		{"AUTH", bounce.StageAuth},
		{"EHLO", bounce.StageEHLO},
		{"HELO", bounce.StageEHLO},
		{"LHLO", bounce.StageEHLO},
	} {
		if strings.HasPrefix(words, s.prefix) {
			return s.stage
		}
	}
	return ""
}
