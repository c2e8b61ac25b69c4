package export

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/bounce"
)

// civiReason is the longest bounce_reason in bytes. CiviCRM's tables can be in
// MySQL's utf8, which has no four-byte characters.
const civiReason = 254

// newCiviCRM writes addresses with on_hold 1, the value for addresses that bounced.
// on_hold 0 is never written, because it would also remove an opt-out (2).
// https://issues.civicrm.org/jira/browse/CRM-1325
func newCiviCRM(w io.Writer, _ Options) Writer {
	return newCells(w, ',', []string{"email", "on_hold", "hold_date", "bounce_reason"}, func(r *bounce.Recipient) []string {
		// Cut after defusing, which adds apostrophes.
		return []string{r.Recipient, "1", formatted(badAt(r), time.DateTime), short(defused(r.Reply), civiReason)}
	})
}

// short replaces runes of four bytes and cuts a text between runes to n bytes.
func short(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if utf8.RuneLen(c) > 3 {
			return '\ufffd'
		}
		return c
	}, s)
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
