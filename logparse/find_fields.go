package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Collectors take the lines of mail servers apart, into the fields of an object or the
// columns of a table:
//
//	{"program":"postfix/smtp","queue_id":"4XabcZ1y2z","to":"a@b.example","status":"bounced"}
//	{"exim_msgid":"1xVTbv-00000r-1v","exim_flags":"**","address":"a@b.example","error":"…"}
//	2026-11-23 12:57:36;mx;4XabcZ1y2z;a@b.example;5.1.1;bounced;User unknown
//
// Such a delivery is counted if it is a mail server's for certain: applications log
// recipients and outcomes too.

// findFields looks for a delivery in the fields of an object or of a table.
func findFields(line string) (mta bounce.MTA, found bool) {
	switch {
	case strings.Contains(line, `"**"`), strings.Contains(line, `"=="`):
		return bounce.Exim, eximIDField.MatchString(line)
	case oneof.Contains(line, `dsn"`, `queue_id"`, `queueid"`, `qid"`, `"postfix/`) &&
		deliveredField.MatchString(line) && toField.MatchString(line),
		hasOutcomeColumn(line) && addressColumn.MatchString(line) && codeColumn.MatchString(line) && idColumn.MatchString(line):
		return bounce.Postfix, true
	}
	return "", false
}

// hasOutcomeColumn reports whether a column holds nothing but the outcome of a delivery.
func hasOutcomeColumn(line string) bool {
	for _, outcome := range [...]string{"bounced", "deferred", "expired", "sent"} {
		before, after, found := strings.Cut(line, outcome)
		before, after = strings.TrimRight(before, `" `), strings.TrimLeft(after, `" `)
		if found && before != "" && strings.IndexByte(columnEnds, before[len(before)-1]) >= 0 &&
			(after == "" || strings.IndexByte(columnEnds, after[0]) >= 0) {
			return true
		}
	}
	return false
}

const (
	outcomes     = `(?:bounced|deferred|expired|sent)`
	columnEnds   = ",;|\t"
	columnBefore = `(?:^|[` + columnEnds + `]) ?"?`
	columnBehind = `"? ?(?:[` + columnEnds + `]|$)`
)

var (
	outcomeValue   = lazyre.New(`^"` + outcomes + `[" ]`)
	deliveredField = lazyre.New(`(?:status|result|outcome)" ?: ?"` + outcomes + `[" ]`)
	toField        = lazyre.New(`(?:to|to_address|recipient|rcpt)" ?: ?[["{]`)
	eximIDField    = lazyre.New(`"` + eximIDPattern + `"`)
	addressColumn  = lazyre.New(columnBefore + `<?[^\s,;|"<>@]+@[^\s,;|"<>@]+>?` + columnBehind)
	idColumn       = lazyre.New(columnBefore + `(?:[0-9]+[A-Za-z]|[A-Za-z]+[0-9])[0-9A-Za-z]{3,22}` + columnBehind)
	codeColumn     = lazyre.New(columnBefore + `[245]\.\d{1,3}\.\d{1,3}` + columnBehind)
)
