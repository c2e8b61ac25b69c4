// Package classify judges failed deliveries: why a delivery failed, whose
// problem that is, whether trying again makes sense, and whether the address
// itself is bad.
//
// The layers are asked in order, and the first that decides wins:
//
//  1. the admin's own rules
//  2. the rules in rules/*.yaml, which read the wording: of providers first,
//     then of servers in general; the last of them (95-codes.yaml) read codes
//     whose subject says enough whatever the words
//  3. the enhanced code of the reply by its registered meaning (RFC 3463 and
//     its successors), where that is specific
//  4. the guide's table of code pairs as a prior, where it is neither ambiguous
//     nor known to mislead
//  5. the class of the code
//
// A reply that passes on another server's is judged by the inner one. What the
// MTA did bounds the verdict in the end: a deferred delivery is never held
// against an address, nor is anything that was said before the recipient had
// been named.
//
// A rule is added to a YAML file, with replies that it decides and the nearest
// reply that it leaves. Tests, and loading where there are rules of the admin's,
// run all examples against the whole ordered set, so that no rule can stand in
// another's light unnoticed.
package classify

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/bouncetail/bouncetail/bounce"
)

// Classifier judges deliveries. It is safe for concurrent use.
type Classifier struct {
	rules []Rule

	mu   sync.Mutex
	seen map[shape]seen
	buf  []byte // for folding, under mu
}

// shape is all that a verdict depends on.
type shape struct {
	text, enhanced, provider string
	code                     int
	stage                    bounce.Stage
	outcome                  bounce.Outcome
}

// seen is what is remembered of a shape.
type seen struct {
	verdict bounce.Verdict
	hasURL  bool
	hasWait bool
}

// maxShapes bounds the memory for verdicts. Servers say few different things.
const maxShapes = 20_000

// New returns a classifier with the rules that are built in and, before them,
// those in the *.yaml files of ownDir, which may be empty or not exist. The
// error tells of everything that is wrong with the rules, each with its file.
func New(ownDir string) (*Classifier, error) {
	first, err := own(ownDir)
	if err != nil {
		return nil, err
	}
	then, err := builtin()
	if err != nil {
		return nil, err
	}
	c := &Classifier{rules: append(first, then...), seen: make(map[shape]seen)}
	if len(first) > 0 { // those built in hold their examples, as tests have seen
		if err := c.Check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Rules returns the rules in the order in which they are asked.
func (c *Classifier) Rules() []Rule { return c.rules }

// Verdict judges a failed delivery. The same reply gives the same verdict.
func (c *Classifier) Verdict(d *bounce.Delivery) bounce.Verdict {
	slug := provider(d.Reply.RelayHost)
	c.mu.Lock()
	c.buf = fold(c.buf[:0], d.Reply.Text)
	s, known := c.seen[shape{string(c.buf), d.Reply.EnhancedCode, slug, d.Reply.SMTPCode, d.Reply.Stage, d.Outcome}]
	if !known {
		s = c.judge(shape{string(c.buf), d.Reply.EnhancedCode, slug, d.Reply.SMTPCode, d.Reply.Stage, d.Outcome})
	}
	c.mu.Unlock()
	v := s.verdict
	if s.hasURL {
		v.URL = url(d.Reply.Text)
	}
	if s.hasWait {
		v.RetryAfter = retryAfter(d.Reply.Text)
	}
	return v
}

// judge gives the verdict on a new shape and remembers it.
func (c *Classifier) judge(at shape) seen {
	at.enhanced = strings.Clone(at.enhanced) // of a line that is not kept
	j := newJudged(at)
	v := bound(c.decide(j), j)
	v.Provider = at.provider
	if v.Provider == "" && isProvider(group(v.Rule)) {
		v.Provider = group(v.Rule)
	}
	v.Blocklist = blocklist(j.text, j.textHas)
	s := seen{v, strings.Contains(j.text, "://"), mayNameWait(j.text)}
	if len(c.seen) >= maxShapes {
		for old := range c.seen { // the order of a map is random: some go, most stay
			if delete(c.seen, old); len(c.seen) < maxShapes*3/4 {
				break
			}
		}
	}
	c.seen[at] = s
	return s
}

// judged is a reply as the layers read it.
type judged struct {
	shape
	code              int    // of the reply inside this one, if there is one
	enhanced          string // likewise
	codeText          string
	words             string // text without URLs
	textHas, wordsHas *trigrams
}

func newJudged(at shape) *judged {
	j := &judged{shape: at, words: withoutURLs(at.text)}
	j.code, j.enhanced = codes(at.code, at.enhanced, at.text)
	j.codeText = strconv.Itoa(j.code)
	j.textHas = trigramsOf(j.text)
	j.wordsHas = j.textHas
	if j.words != j.text {
		j.wordsHas = trigramsOf(j.words)
	}
	return j
}

// Shape returns the form of a reply by which verdicts are remembered: without
// addresses, numbers and ids. Replies of one shape get one verdict.
func Shape(reply string) string { return string(fold(nil, reply)) }

// hasWords reports whether the reply says anything beside its codes.
func (j *judged) hasWords() bool {
	for _, r := range j.words {
		if unicode.IsLetter(r) {
			return true
		}
	}
	return false
}

func (c *Classifier) decide(j *judged) bounce.Verdict {
	for i := range c.rules {
		if _, ok := c.rules[i].match(j); ok {
			return c.rules[i].Says.verdict(c.rules[i].ID)
		}
	}
	return byCodes(j)
}

// bound holds a verdict against the stage at which it was given, and against
// what the MTA did.
func bound(v bounce.Verdict, j *judged) bounce.Verdict {
	switch j.stage {
	case bounce.StageGreeting, bounce.StageEHLO, bounce.StageMailFrom:
		// The recipient had not been named yet.
		switch {
		case v.Category == bounce.MailboxFull:
			v = with(v, bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry)
		case v.Reason.AddressBad() && j.stage == bounce.StageMailFrom:
			v = with(v, bounce.Rejection, bounce.SenderRejected, bounce.ScopeSender, bounce.Permanent)
		case v.Reason.AddressBad():
			v = with(v, bounce.Blocked, bounce.PolicyBlock, bounce.ScopeSender, bounce.Permanent)
		}
	case bounce.StageConnect, bounce.StageTLS, bounce.StageAuth, bounce.StageRcptTo, bounce.StageData, bounce.StageEndOfData, "":
	}
	switch j.outcome {
	case bounce.Deferred:
		v.Disposition = bounce.Retry
	case bounce.Expired:
		v.Disposition = bounce.Permanent
	case bounce.Bounced:
		// A guess from the table is never held against an address, nor is a
		// reply that asked to come again.
		v.Suppress = v.Reason.AddressBad() && v.Disposition == bounce.Permanent &&
			j.code/100 != 4 && j.shape.code/100 != 4 && !strings.HasPrefix(v.Rule, "guide/")
	case bounce.Sent: // not judged
	}
	return v
}

// with returns the verdict of the same rule with another answer.
func with(v bounce.Verdict, c bounce.Category, r bounce.Reason, s bounce.Scope, d bounce.Disposition) bounce.Verdict {
	v.Category, v.Reason, v.Scope, v.Disposition = c, r, s, d
	return v
}

var bareCodes = regexp.MustCompile(`^\s*(?:([2-7]\d\d)(?:[- :]+|$))?(?:[(\[]?#?([245]\.\d{1,3}\.\d{1,3})\b)?`)

// lineBreaks are those of a reply as it is pasted: real ones, or written \n.
var lineBreaks = regexp.MustCompile(`\r?\n|\\r\\n|\\n`)

// Delivery makes a delivery out of a bare reply, as a person pastes it: the
// codes are those of its start, and what the MTA did follows from their class.
func Delivery(reply string) bounce.Delivery {
	d := bounce.Delivery{Outcome: bounce.Bounced}
	lines := lineBreaks.Split(strings.TrimSpace(reply), -1)
	d.Reply.Text = strings.Join(lines, " ")
	if m := stageInText.FindStringSubmatch(d.Reply.Text); m != nil {
		d.Reply.Stage = stages[strings.ToUpper(m[1]+m[2])]
	}
	if m := wrapped.FindStringSubmatch(d.Reply.Text); m != nil {
		d.Reply.Text = inReplyTo.ReplaceAllString(m[1], "")
	}
	m := bareCodes.FindStringSubmatch(d.Reply.Text)
	d.Reply.SMTPCode, _ = strconv.Atoi(m[1])
	d.Reply.EnhancedCode = m[2]
	if d.Reply.EnhancedCode == "" {
		// Of several lines, the last may alone have the enhanced code.
		if last := bareCodes.FindStringSubmatch(lines[len(lines)-1]); last[1] == m[1] {
			d.Reply.EnhancedCode = last[2]
		}
	}
	if d.Reply.SMTPCode/100 == 4 {
		d.Outcome = bounce.Deferred
	}
	return d
}

// stageInText finds the stage where an MTA wrote it around the reply:
//
//	host mx.b.example[192.0.2.1] said: 550 no (in reply to MAIL FROM command)
//	SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 no
var stageInText = regexp.MustCompile(`(?i)(?:in reply to (?:end of )?|remote (?:mail )?server after (?:pipelined |end of )?|did not like our (?:final )?|>>> ?|error following )(initial connection|HELO|EHLO|MAIL FROM|RCPT TO|DATA)|\b(MAIL FROM|RCPT TO|EHLO|HELO) command\b`)

// wrapped finds the reply in what an MTA wrote before it.
var (
	wrapped   = regexp.MustCompile(`(?i)^(?:host \S+ ?\[[^\]]+\]:?|.{0,200}SMTP error from remote (?:mail )?server after .{1,300}?|host \S+ said):? ([245]\d\d[ -].*)$`)
	inReplyTo = regexp.MustCompile(` \(in reply to [\w ]+ command\)$`)
)

var stages = map[string]bounce.Stage{
	"INITIAL CONNECTION": bounce.StageGreeting, "HELO": bounce.StageEHLO, "EHLO": bounce.StageEHLO,
	"MAIL FROM": bounce.StageMailFrom, "RCPT TO": bounce.StageRcptTo, "DATA": bounce.StageEndOfData,
}
