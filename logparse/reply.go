package logparse

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// address matches what stands between angle brackets: a local part may be
// quoted, and hold anything then (RFC 5321, section 4.1.2).
const address = `(?:"(?:[^"\\]|\\.)*"|[^">])*`

// enhancedBehind reads the enhanced code (RFC 3463) that stands directly
// behind a code, also as #5.1.1, (#5.1.1), (5.1.1) and [5.1.1].
var enhancedBehind = regexp.MustCompile(`^[245]\d\d[ -]\s*[(\[]?#?([245]\.\d{1,3}\.\d{1,3})(?:[^\d.]|\.?$|\.\D)`)

// enhancedMarked reads the mark of qmail and its kin anywhere in a reply:
//
//	550 sorry, no mailbox here by that name (#5.1.1)
var enhancedMarked = regexp.MustCompile(`#([245]\.\d{1,3}\.\d{1,3})\b|[(\[]([245]\.\d{1,3}\.\d{1,3})[)\]]`)

// finalLine finds the last line of a reply whose lines were joined by spaces:
// its code is followed by a space, not by a hyphen.
var finalLine = regexp.MustCompile(` ([245]\d\d)(?: |$)`)

// setReply takes the codes out of a reply. decides is the line that does, as
// the MTA sees it.
func setReply(r *bounce.Reply, text, decides string) {
	r.Text = text
	if len(decides) < 3 || !isCode(decides[:3]) || len(decides) > 3 && decides[3] != ' ' && decides[3] != '-' {
		return
	}
	r.SMTPCode, _ = strconv.Atoi(decides[:3])
	if m := enhancedBehind.FindStringSubmatch(decides); m != nil {
		r.EnhancedCode = m[1]
	} else if m := enhancedMarked.FindStringSubmatch(decides); m != nil {
		r.EnhancedCode = m[1] + m[2]
	}
}

func isCode(s string) bool {
	return '1' <= s[0] && s[0] <= '9' && '0' <= s[1] && s[1] <= '9' && '0' <= s[2] && s[2] <= '9'
}

// lastLine returns the line that decides for Postfix, out of lines joined by
// spaces:
//
//	550-5.1.1 The account does not exist. 550 5.1.1 See https://example.com
func lastLine(text string) string {
	if len(text) < 4 || text[3] != '-' || !isCode(text[:3]) {
		return text
	}
	found := finalLine.FindAllStringSubmatchIndex(text, -1)
	last := ""
	for _, at := range found {
		if text[at[2]:at[3]] == text[:3] {
			return text[at[2]:]
		}
		// Another code in the last line decides too, but a number within the
		// words is no line: an enhanced code has to follow.
		if line := text[at[2]:]; last == "" && enhancedBehind.MatchString(line) {
			last = line
		}
	}
	if last == "" {
		return text
	}
	return last
}

// setRelay fills in who was asked. A socket's path and the names of transports
// that ask nobody are left out.
func setRelay(r *bounce.Reply, host, ip string) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if a, err := netip.ParseAddr(strings.TrimPrefix(ip, "IPv6:")); err == nil {
		r.RelayIP = a.String()
	}
	switch host {
	case "none", "local", "virtual", "":
		return
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return // an address in place of the name
	}
	r.RelayHost = clean(host)
}

func setPort(r *bounce.Reply, port string) {
	if n, err := strconv.Atoi(port); err == nil && 0 < n && n < 1<<16 {
		r.RelayPort = n
	}
}

// groups gives the named groups of a match as strings.
type groups struct {
	re *regexp.Regexp
	in []byte
	at []int
}

func match(re *regexp.Regexp, in []byte) (groups, bool) {
	at := re.FindSubmatchIndex(in)
	return groups{re, in, at}, at != nil
}

func (g groups) bytes(name string) []byte {
	i := 2 * g.re.SubexpIndex(name)
	if g.at[i] < 0 {
		return nil
	}
	return g.in[g.at[i]:g.at[i+1]]
}

func (g groups) text(name string) string { return clean(g.bytes(name)) }

func (g groups) has(name string) bool { return g.at[2*g.re.SubexpIndex(name)] >= 0 }

// raw returns a queue ID or a code, which the pattern has already restricted.
func (g groups) raw(name string) string { return string(g.bytes(name)) }
