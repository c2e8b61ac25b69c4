package classify

import (
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// inner finds a reply that a server passes on inside its own:
//
//	554 5.0.0 smtp; remote server said: 550 5.1.1 <>: user unknown
//	550 5.0.350 remote server returned an error -> 550 mailbox not found
//	5.1.0 - unknown address error 540-'error: wrong recipients'
//	<<< 550 <>: user unknown
var inner = lazyre.New(`(?:said|says|returned|responded|response|reply|replied|error|reason|report|follows|failure|status|data|rcpt to|to|` +
	`->|<<<|[:;,('"\[=]|\.\.\.) ?:?-? ?["'(\[]?([45]\d\d)(?:[ :-]+|$)["'(\[]?#?(?:([45]\.\d{1,3}\.\d{1,3})\b)?`)

// innerEnhanced finds an enhanced code that is marked or stands inside quotes.
var innerEnhanced = lazyre.New(`(?:[#('"\[]|error(?:_code)? :|\) |following (?:address(?:es)?|recipients?)[^:]{0,40}: |^)` +
	`([45]\.\d{1,3}\.\d{1,3})\b`)

// vague reports whether an enhanced code says nothing, or is one that a server puts before
// another server's reply.
func vague(enhanced string) bool {
	if len(enhanced) < 5 {
		return true
	}
	switch enhanced[2:] {
	case "0.0", "0.350", "1.0", "5.0", "3.0", "1.351", "1.90", "4.300", "7.0", "7.1":
		return true
	}
	return false
}

// codes returns the codes that a reply is to be judged by: its own, or those
// of a reply inside it where its own say nothing.
func codes(code int, enhanced, text string) (int, string) {
	if code != 0 && !vague(enhanced) {
		return code, enhanced
	}
	for _, m := range inner.FindAllStringSubmatch(text, -1) {
		if m[2] == "" && code != 0 {
			continue
		}
		if code == 0 || strings.HasPrefix(m[2], "4") { // a server gave up on what another one deferred
			code, _ = strconv.Atoi(m[1])
		}
		if !vague(m[2]) {
			return code, m[2]
		}
	}
	if !vague(enhanced) {
		return code, enhanced
	}
	if m := innerEnhanced.FindStringSubmatch(text); m != nil && !vague(m[1]) {
		return code, m[1]
	}
	return code, enhanced
}
