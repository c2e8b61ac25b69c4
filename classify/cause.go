package classify

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// otherCause judges what a reply says beside the clauses that call the recipient bad.
// A server that refuses us for another cause may still word it like a missing user:
//
//	550 5.1.1 user unknown - your server # is blacklisted
//	550 5.1.1 user unknown: mysql query failed
//	550 5.7.1 user unknown, relaying denied
//	550 5.1.1 user unknown, mail loop detected
func (c *Classifier) otherCause(j *judged) (bounce.Verdict, bool) {
	other := *j
	other.named = j.reading().rest()
	other.words = strings.ReplaceAll(other.named, anotherPerson, "<>")
	other.text, other.says = other.words, nil
	other.wordsHas = trigramsOf(other.words)
	other.textHas = other.wordsHas
	for i := range c.rules {
		if at, ok := c.rules[i].match(&other); ok {
			v := c.rules[i].Says.verdict(c.rules[i].ID)
			return v, isOtherCause(v, &other) && (v.Category != bounce.Blocked || at.start > j.reading().statements[0].says.end)
		}
	}
	return bounce.Verdict{}, false
}

// isOtherCause reports whether a verdict names a cause that is not the recipient. A server
// that answers RCPT TO has not seen the message.
func isOtherCause(v bounce.Verdict, j *judged) bool {
	if v.Reason == bounce.MailLoop {
		return true // aliases of the other side may go round in circles too
	}
	if v.Scope == bounce.ScopeMessage && j.stage != bounce.StageData && j.stage != bounce.StageEndOfData {
		return false
	}
	switch v.Category {
	case bounce.SenderReputation, bounce.RateLimit, bounce.Rejection, bounce.DMARC:
		return group(v.Rule) != "topic"
	case bounce.Blocked:
		return group(v.Rule) != "topic" && ourHost.find(j.words, j.wordsHas) != nil
	case bounce.RecipientError:
		return v.Rule == "text/their-lookup" || v.Rule == "text/system-error" || v.Reason == bounce.RelayDenied
	default:
		return false
	}
}

// ourHost finds words for the host that sends.
var ourHost = mustCompile(`\b(?:client|countr(?:y|ies)|your (?:\w+ )?(?:ip|host|server|network|provider))\b`)

// nextReply finds where another reply of the same session begins.
var nextReply = lazyre.New(` [45]\d\d #?[45]\.\d`)

// isNotice reports whether a clause is what a server tells everybody: "no such user here.
// We do not accept unsolicited mail".
func (c *clause) isNotice() bool {
	return c.mark == '.' && c.isWord(0, "we") && c.roles()&(not|none) != 0 && c.hasWord("unsolicited", "spam", "bulk", "junk")
}

// rest returns the text without the clauses that call the recipient bad, those that only
// say what may be or will be, or that a check passed, and later replies. What is left
// out is blank.
func (r *reading) rest() string {
	rest := []byte(r.text)
	blank := func(from, to int) {
		for k := from; k < to; k++ {
			rest[k] = ' '
		}
	}
	for i := range r.clauses {
		c := &r.clauses[i]
		if c.doubts("yet", "not yet") || c.roles()&not == 0 && c.hasWord("pass", "passed", "ok") || c.isNotice() {
			blank(c.words[0].start, c.words[len(c.words)-1].end())
		}
	}
	for i := range r.statements {
		if s := &r.statements[i]; s.subject&(recipient|domain) != 0 || s.subject == 0 && !r.certain() {
			blank(s.clause.start, s.clause.end)
		}
	}
	if at := nextReply.FindStringIndex(r.text); at != nil {
		blank(at[0], len(rest))
	}
	return string(rest)
}
