package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// takePostfixSent distinguishes a delivery from what is none, or may be none:
// discard(8) delivers nothing, nor local(8) to MAILER-DAEMON (see also nodelivery.go), and
// a program or a server nearby may be a content filter that gives the message back. The
// server names the queue ID then:
//
//	relay=none, …, status=sent (silently)
//	relay=local, …, status=sent (discarded)
//	relay=local, …, status=sent (forwarded as 4YbbbbQ2zzz)
//	relay=spam, …, status=sent (delivered via spam service)
//	relay=127.0.0.1[127.0.0.1]:10024, …, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025):
//	  250 2.0.0 Ok: queued as 4YbbbbQ2zzz)
func takePostfixSent(ev *bounce.Event, daemon, relay, reason string) {
	at := strings.IndexByte(relay, '[')
	ev.Reply.RelayHost = sentRelay(relay[:max(at, 0)])
	if at < 0 {
		if id, found := strings.CutPrefix(reason, "forwarded as "); found && relay == "local" {
			ev.Handover, ev.Server, ev.Onward = true, true, id[:alphanumerics(id)]
			return
		}
		ev.Discarded = relay == "none" || daemon == "discard" || reason == "delivered to file: /dev/null)" || reason == "discarded)" ||
			autoreplyName.MatchString(relay) || strings.HasPrefix(reason, "delivered to command: ") && autoreplyName.MatchString(reason)
		if ev.Handover = !ev.Discarded && (daemon == "pipe" || strings.HasPrefix(reason, "delivered via ")); ev.Handover {
			ev.Filter = filterName.MatchString(relay)
		}
		return
	}
	if _, id, found := strings.Cut(reason, " queued as "); found {
		ev.Onward = id[:alphanumerics(id)]
	}
	end := strings.IndexByte(relay, ']')
	if end < at || !postfixNear(relay[at+1:end]) {
		return
	}
	// Dovecot, which is no filter, ends its answer in "Saved". Filters listen on
	// ports from 10000 on, and some answer before they give the message back.
	ev.Handover, ev.Server = !strings.HasSuffix(reason, " Saved)"), true
	if port := relay[end+1:]; len(port) == len(":10024") && port[:4] == ":100" {
		ev.Filter, ev.Server = true, false
	}
	ev.Discarded = ev.Handover && isDropped(reason)
}

// filterName matches the usual names of content filters.
var filterName = lazyre.New(`(?i)spam|filter|amavis|clam|scan|virus|dkim|dspam|bogo|milter|disclaimer|altermime`)
