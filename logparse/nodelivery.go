package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Some successes deliver nothing to the recipient: a filter nearby accepted the message
// and dropped it, or a program answered it. The mail servers log them like any other.

// proxmoxReply matches what Proxmox Mail Gateway answers for all messages. Those that it
// neither blocks nor puts into quarantine are logged a second time, under the queue ID
// with which they come back.
var proxmoxReply = lazyre.New(`^(?:250 )?2\.(?:5\.0 OK|7\.0 BLOCKED) \([0-9A-F]{10,}\)`)

// autoreplyName matches the usual names of programs and transports that answer a message.
var autoreplyName = lazyre.New(`(?i)auto[-_]?(?:repl|respon)|vacation`)

// isDropped reports whether the answer of a server nearby means that nothing was
// delivered. The address of a recipient may follow in angle brackets.
//
//	250 2.7.0 Ok, discarded, id=03774-01 - spam       amavisd
//	250 2.7.0 Ok, quarantined, id=1121887-15 - spam
//	250 2.5.0 Ok, id=2243374-09, BOUNCE
//	250 Virus Detected; Discarded Email               clamsmtpd
//	250 2.5.0 OK (2201FD6A5A1F9A0F8E1)                Proxmox Mail Gateway
//	250 2.7.0 BLOCKED (2201FD6A5A1F9A0F8E1)
func isDropped(reply string) bool {
	words, _, _ := strings.Cut(reply, "<")
	return oneof.Contains(words, "iscarded", "uarantined", ", BOUNCE") ||
		oneof.Contains(words, ".0 OK (", "BLOCKED (") && proxmoxReply.MatchString(words)
}
