// Package classify judges failed deliveries: why a delivery failed, whose
// problem that is, whether trying again makes sense, and whether the address
// itself is bad.
//
// A delivery goes through these steps. Verdict begins with the first two, and judge does
// the rest for a reply whose form is new.
//
//  1. Context: context.go takes what the log says beside the reply, such as who speaks,
//     the recipient's domain and the transport. nested.go and context.go find a reply
//     inside the reply, such as the answer to a probe, which is judged in its place.
//  2. Form: fold.go, names.go and spelling.go bring the reply into the form that rules
//     read. Verdicts are remembered by that form.
//  3. Sentences: parser.go cuts the reply into clauses (clause.go) with the words of
//     lexicon/*.yaml (lexicon.go, vocabulary.go), and reader.go finds the statements
//     (statement.go) of each clause: "recipient is missing". predicate.go begins at the
//     words that say something, subject.go looks for whom they say it of, behind.go for
//     what follows them, and doubt.go for what makes the statement a guess.
//  4. Layers: decide asks in order, and the first that decides wins: the admin's own
//     rules; the rules in rules/*.yaml, providers first (match.go, rules.go); the enhanced
//     code by its registered meaning (RFC 3463), if that is specific; the guide's
//     table of code pairs, if it is neither ambiguous nor known to mislead; the
//     class of the code (codes.go).
//  5. Bounds: confirm.go and cause.go check a verdict against an address against
//     everything else that the reply and the context say. The stage and the outcome bound
//     it: a deferred delivery never makes an address bad, nor does anything that was said
//     before the recipient was named.
//
// To add a rule, add an entry to a YAML file, with replies that it must decide
// and the nearest reply that it must not. Tests run all examples against the
// whole ordered set, so a rule that hides another one is noticed. So does loading,
// if the admin has rules.
package classify

import (
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

// seen is the verdict on a shape, and whether its replies have to be searched for a URL or a
// wait, which are not part of the shape.
type seen struct {
	verdict bounce.Verdict
	hasURL  bool
	hasWait bool
}

// maxShapes bounds the memory for verdicts. Servers say few different things.
const maxShapes = 20_000

// New returns a classifier with the rules that are built in and, before them,
// those in the *.yaml files of ownDir, which may be empty or not exist. The
// error lists everything that is wrong with the rules, each with its file.
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
	if len(first) > 0 { // tests check those that are built in
		if err := c.Check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Rules returns the rules in the order in which they are asked.
func (c *Classifier) Rules() []Rule { return c.rules }

// Verdict judges a failed delivery. The same delivery gives the same verdict.
func (c *Classifier) Verdict(d *bounce.Delivery) bounce.Verdict {
	f, text := factsOf(d)
	c.mu.Lock()
	c.buf = foldFor(c.buf[:0], text, namesOf(d, f.speaker))
	s, known := c.seen[shape{string(c.buf), f}]
	if !known {
		s = c.judge(shape{string(c.buf), f})
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

// Provider returns the slug of the provider that a server belongs to, or "".
func (c *Classifier) Provider(relayHost string) string { return provider(relayHost) }

// judge gives the verdict on a new shape and remembers it.
func (c *Classifier) judge(at shape) seen {
	// Copies, because a substring would keep the texts of many deliveries in memory.
	at.enhanced, at.dsn = strings.Clone(at.enhanced), strings.Clone(at.dsn)
	at.stage, at.outcome = bounce.Stage(strings.Clone(string(at.stage))), bounce.Outcome(strings.Clone(string(at.outcome)))
	at.mta = bounce.MTA(strings.Clone(string(at.mta)))
	j := newJudged(at)
	v := c.bound(c.decide(j), j)
	v.Provider = at.provider
	if v.Provider == "" && isProvider(group(v.Rule)) {
		v.Provider = group(v.Rule)
	}
	v.Blocklist = blocklist(j.text, j.textHas)
	s := seen{v, strings.Contains(at.text, "://"), mayNameWait(at.text)}
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

// judged is a reply as the layers read it. Its code, enhanced code, stage and
// text are those of the reply inside it, if there is one.
type judged struct {
	shape
	outerCode         int
	inner             bool // a probe's reply inside the text is judged
	codeText          string
	words             string // text without URLs, contractions and misspellings
	named             string // words that still tell the address of another person
	textHas, wordsHas *trigrams
	says              *reading // see reading
	changed           string   // what of the context changed the verdict, for Explain
}

func newJudged(at shape) *judged {
	if len(at.text) > maxJudged {
		at.text = strings.ToValidUTF8(at.text[:maxJudged], "")
	}
	j := &judged{shape: at, outerCode: at.code}
	j.inside()
	j.code, j.enhanced = codes(j.code, j.enhanced, j.text)
	if j.speaker == nobody && j.code != 0 {
		j.speaker = remote
	}
	j.named = plain(withoutURLs(j.text))
	j.words = strings.ReplaceAll(j.named, anotherPerson, "<>")
	j.codeText = strconv.Itoa(j.code)
	j.textHas = trigramsOf(j.text)
	j.wordsHas = j.textHas
	if j.words != j.text {
		j.wordsHas = trigramsOf(j.words)
	}
	return j
}

// maxJudged bounds how much of a reply is judged. RFC 5321 allows 512 bytes a
// line; the longest real reply seen had 2 KB.
const maxJudged = 4 << 10

// reading returns what the reply says, clause by clause.
func (j *judged) reading() *reading {
	if j.says == nil {
		j.says = read(j.named)
	}
	return j.says
}

// hasWords reports whether the reply has words in addition to its codes.
func (j *judged) hasWords() bool {
	for _, r := range j.words {
		if unicode.IsLetter(r) {
			return true
		}
	}
	return false
}

// decide asks the layers in order.
func (c *Classifier) decide(j *judged) bounce.Verdict {
	if v, ok := byStatus(j); ok {
		return v
	}
	for i := range c.rules {
		if _, ok := c.rules[i].match(j); ok {
			return c.rules[i].Says.verdict(c.rules[i].ID)
		}
	}
	return byCodes(j)
}

// bound limits a verdict by the stage at which the reply was given, by what else the
// reply says, and by what the MTA did.
func (c *Classifier) bound(v bounce.Verdict, j *judged) bounce.Verdict {
	v = atStage(v, j)
	firm := true
	if v.Reason.AddressBad() {
		v, firm = c.confirm(v, j)
	}
	switch j.outcome {
	case bounce.Deferred:
		v.Disposition = bounce.Retry
	case bounce.Expired:
		v.Disposition = bounce.Permanent
	case bounce.Bounced:
		// A guess from the table never makes an address bad, nor does a reply that
		// asked to come again.
		v.Suppress = firm && v.Reason.AddressBad() && v.Disposition == bounce.Permanent &&
			j.code/100 != 4 && j.outerCode/100 != 4 && !strings.HasPrefix(v.Rule, "guide/")
		if v.Rule == missingForNow && firm && j.outerCode == j.code && !j.inner {
			// The mail server was told to take the code for final (Postfix,
			// smtp_delivery_status_filter).
			v.Disposition, v.Suppress = bounce.Permanent, true
		}
	case bounce.Sent: // not judged
	}
	return v
}

// missingForNow is the rule for a recipient that is missing by a code that asks
// to try again.
const missingForNow = "text/no-such-user-for-now"

// atStage turns what was said before the recipient was named into what it says
// about the sender, or about the account that we log in with.
func atStage(v bounce.Verdict, j *judged) bounce.Verdict {
	switch j.stage {
	case bounce.StageAuth: // what is unknown, disabled or full is the account that we log in with
		if v.Reason.AddressBad() || v.Category == bounce.MailboxFull {
			return with(v, bounce.RecipientError, bounce.AuthRequired, bounce.ScopeLocal, bounce.Permanent)
		}
	case bounce.StageGreeting, bounce.StageEHLO, bounce.StageTLS, bounce.StageMailFrom:
		switch {
		case v.Category == bounce.MailboxFull:
			return with(v, bounce.RecipientError, bounce.SystemTrouble, bounce.ScopeNetwork, bounce.Retry)
		case v.Reason.AddressBad() && j.stage == bounce.StageMailFrom:
			return with(v, bounce.Rejection, bounce.SenderRejected, bounce.ScopeSender, bounce.Permanent)
		case v.Reason.AddressBad():
			return with(v, bounce.Blocked, bounce.PolicyBlock, bounce.ScopeSender, bounce.Permanent)
		}
	case bounce.StageConnect, bounce.StageRcptTo, bounce.StageData, bounce.StageEndOfData, "":
	}
	return v
}

// with returns the verdict of the same rule with another answer.
func with(v bounce.Verdict, c bounce.Category, r bounce.Reason, s bounce.Scope, d bounce.Disposition) bounce.Verdict {
	v.Category, v.Reason, v.Scope, v.Disposition = c, r, s, d
	return v
}
