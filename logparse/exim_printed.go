package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Images of containers run "exim -v", which prints its log lines without stamps and
// ids, behind the process if it prints that. What is around the line has the time:
//
//	2026-11-23T12:57:36.1Z   278   == a@b.example R=dnslookup defer (-1): host lookup did not complete
//	{"log":"  ** a@b.example R=dnslookup T=remote_smtp: …\n","stream":"stderr","time":"2026-11-23T12:57:36.1Z"}
//
// It prints what other servers say as well. The further lines of a reply begin behind
// nine spaces at least (src/transports/smtp_in.c and smtp_out.c, "SMTP<<"), so the
// number of spaces matters.
var eximPrinted = lazyre.New(`^(?: ?std(?:out|err) F)?(?: {0,5}\d{1,7} {3}| {2,3})((?:\*\*|==|=>|->) [^\s<>"|/:]+@\S+ .*)$`)

// eximNoID stands for the id of such a line.
const eximNoID = "000000-000000-00"

// takePrinted takes such a line, if it follows a stamp at once. Two spaces near its
// beginning are rare in others.
func (u *unusual) takePrinted(text string) bool {
	if u.n == 0 || !strings.Contains(text[:min(len(text), 32)], "  ") {
		return false
	}
	m := eximPrinted.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	u.tagOut, u.body, u.synthesized = "exim", eximNoID+" "+m[1], true
	return true
}
