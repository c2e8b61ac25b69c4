package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Copies of logs lack parts of a line, and tests shorten them:
//
//	4XabcZ1y2z: to=a@b.example, orig_to=<info@b.example>, relay=none, delay=1, …    brackets
//	4XabcZ1y2z: to=<a@b.example>, status=deferred (connect to …)                    relay=
//	to=<a@b.example>, relay=none, delay=1, …                                        the queue ID
//	**********: to=<a@b.example>, relay=none, delay=1, …
//	4ABD: to=<a@b.example>, relay=none, delay=1, …
//	<queue id>: to=<a@b.example>, relay=none, delay=1, …
//	4XabcZ1y2z:to=<a@b.example>, relay=none, delay=1, …
//
// Such an address has no character that could begin another field, so that there is
// one reading.
var postfixPart = lazyre.New(`^(?:(?P<id>` + postfixAnyID + `): ?)?to=(?:<(?P<to>` + postfixPlain + `)>|(?P<bare>` + postfixPlain + `))` +
	`(?:, orig_to=<?(?P<orig>` + postfixPlain + `)>?)?(?P<relay>, relay=[^,<>]*)?(?P<fields>, (?:[a-z0-9_]+=[^,<>]*, )*?status=.*)$`)

// postfixAnyID matches a queue ID that was shortened or masked.
const postfixAnyID = `[^\s<>:=,;"()\[\]]{1,64}|<[\w -]{1,40}>|\[[\w -]{1,40}\]`

const postfixPlain = `[^\s<>",;()\[\]]+`

// anyQueueID stands for a queue ID that is missing or has an unusual form.
const anyQueueID = "00000"

// parsePostfixPart reads a delivery of which a part is missing.
func parsePostfixPart(h *header, ev *bounce.Event) result {
	first := strings.IndexByte(h.body, '=') // turns most lines away
	if first < len("to") || h.body[first-len("to"):first] != "to" {
		return resultOther
	}
	if daemon := postfixDaemon(h.tag); daemon != "" && daemon != "qmgr" && daemon != "cleanup" && !deliveryAgents[daemon] {
		return resultOther
	}
	m, ok := match(postfixPart, h.body)
	if !ok || m.has("id") && isPlainWords(m.raw("id")) || !m.has("relay") && (m.has("bare") || strings.Contains(h.body, ">, relay=")) {
		return resultOther
	}
	whole := *h
	whole.body = anyQueueID + ": to=<" + m.raw("to") + m.raw("bare") + ">"
	if orig := m.raw("orig"); orig != "" {
		whole.body += ", orig_to=<" + orig + ">"
	}
	if whole.body += m.raw("relay"); !m.has("relay") {
		whole.body += ", relay="
	}
	whole.body += m.raw("fields")
	if !postfixDelivery.MatchString(whole.body) {
		return resultOther
	}
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.Postfix}}
	read := parsePostfixDelivery(&whole, ev)
	ev.QueueID = m.text("id")
	return read
}
