package classify

import (
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// confirm checks a verdict that makes an address bad against everything else that is
// known, and reports whether it is firm enough to suppress the address. If it is
// not, the verdict may become another one.
func (c *Classifier) confirm(v bounce.Verdict, j *judged) (bounce.Verdict, bool) {
	if j.elsewhere {
		j.changed = "the recipient is a program, a file or an autoreply, not the address"
		return with(v, bounce.RecipientError, bounce.LocalTrouble, bounce.ScopeLocal, bounce.Permanent), false
	}
	if strings.HasPrefix(v.Rule, "status/") {
		return v, true // no words were judged
	}
	if strings.HasSuffix(j.enhanced, ".3.5") {
		j.changed = "the status says that the server is set up wrongly (X.3.5)"
		return with(v, bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, v.Disposition), false
	}
	if v.Scope == bounce.ScopeDomain {
		return j.confirmDomain(v)
	}
	r := j.reading()
	if r.passing {
		j.changed = "a word of the reply says that it is temporary"
		v.Disposition = bounce.Retry
		return v, false
	}
	if strings.Contains(blocklist(j.text, j.textHas), ".") || listedAt.find(j.text, j.textHas) != nil {
		// A blocklist that words its refusals like a missing user: it was asked first.
		j.changed = "the reply names a blocklist"
		return with(v, bounce.SenderReputation, bounce.IPBlocklisted, bounce.ScopeSender, bounce.Permanent), false
	}
	if len(r.statements) == 0 || isProvider(group(v.Rule)) && !r.ofSender {
		return v, true // a provider's wording is known to mean it
	}
	if v.Reason == bounce.BadSyntax && !r.ofSender || v.Reason == bounce.MailboxMoved && !r.elsewhere {
		return v, true
	}
	if other, ok := c.otherCause(j); ok {
		j.changed = "the reply names another cause, by " + other.Rule
		other.Rule = v.Rule
		return other, false
	}
	if slices.ContainsFunc(r.statements, func(s statement) bool { return s.doubt == certain && s.mayBeOfRecipient() }) {
		return v, true
	}
	j.changed = "the reply " + r.statements[0].because()
	return v, false
}

// listedAt finds the address of a page about our IP at a blocklist.
var listedAt = mustCompile(`\b(?:spamhaus|spamcop|barracuda\w*|sorbs|abuseat|uceprotect|mailspike|senderscore)\.\w+/\S*#`)

// because says why a statement does not count against the recipient.
func (s *statement) because() string {
	switch {
	case s.subject == sender:
		return "says it of the sender"
	case !s.mayBeOfRecipient():
		return "says it of something else"
	case s.doubt == passing:
		return "says that it is temporary"
	}
	return "only says that it may be so"
}

// confirmDomain confirms a verdict about the recipient's domain. It holds only if
// the reply names that domain, or none. A look-up of our own mail server names
// what was looked up, which may be a smart host, a filter or an MX host.
func (j *judged) confirmDomain(v bounce.Verdict) (bounce.Verdict, bool) {
	relation := j.relation()
	switch {
	case j.way == relayWay && relation != same:
		j.changed = "a smart host was looked up, not the recipient's domain"
		return with(v, bounce.RecipientError, bounce.LocalTrouble, bounce.ScopeLocal, v.Disposition), false
	case relation == another && j.speaker == ourMTA:
		j.changed = relation.String()
		return with(v, bounce.RecipientError, bounce.DNSFailure, bounce.ScopeLocal, v.Disposition), false
	case relation == another:
		j.changed = relation.String()
		return with(v, bounce.RecipientError, bounce.DNSFailure, bounce.ScopeNetwork, v.Disposition), false
	case strings.HasSuffix(j.dsn, ".3.5"):
		j.changed = "the mail server logged a fault in its own settings (X.3.5)"
		return with(v, bounce.RecipientError, bounce.LocalTrouble, bounce.ScopeLocal, v.Disposition), false
	case j.reading().passing:
		j.changed = "a word of the reply says that it is temporary"
		v.Disposition = bounce.Retry
		return v, false
	case j.speaker == nobody && relation == unknown:
		j.changed = "nobody knows whose name was looked up"
		return v, false
	}
	return v, true
}
