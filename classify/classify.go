// Package classify judges failed deliveries: why a delivery failed, whose
// problem that is, whether trying again makes sense, and whether the address
// itself is bad.
//
// The layers are asked in order, and the first that decides wins: the rules in
// rules/*.yaml, which read the wording; the enhanced code of the reply by its
// registered meaning (RFC 3463 and its successors); the guide's table of code
// pairs as a prior, where it is neither ambiguous nor known to mislead; the
// class of the code. What the MTA did bounds the verdict in the end: a
// deferred delivery is never held against an address.
//
// A rule is added to a YAML file, with replies that it decides and the nearest
// reply that it leaves. New runs all examples against the whole ordered set.
package classify

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/bouncetail/bouncetail/bounce"
)

// Classifier judges deliveries. It is safe for concurrent use.
type Classifier struct {
	rules []Rule
	mu    sync.Mutex
	seen  map[shape]bounce.Verdict
}

// shape is all that a verdict depends on.
type shape struct {
	text, enhanced string
	code           int
	stage          bounce.Stage
	outcome        bounce.Outcome
}

// maxShapes bounds the memory for verdicts. Servers say few different things.
const maxShapes = 20_000

// New returns a classifier with the rules that are built in.
func New() (*Classifier, error) {
	rules, err := builtin()
	if err != nil {
		return nil, err
	}
	c := &Classifier{rules: rules, seen: make(map[shape]bounce.Verdict)}
	if err := c.checkExamples(); err != nil {
		return nil, err
	}
	return c, nil
}

// Rules returns the rules in the order in which they are asked.
func (c *Classifier) Rules() []Rule { return c.rules }

// Verdict judges a failed delivery. The same reply gives the same verdict.
func (c *Classifier) Verdict(d *bounce.Delivery) bounce.Verdict {
	s := shape{fold(d.Reply.Text), d.Reply.EnhancedCode, d.Reply.SMTPCode, d.Reply.Stage, d.Outcome}
	c.mu.Lock()
	v, known := c.seen[s]
	c.mu.Unlock()
	if !known {
		v = bound(c.layers(&s), &s)
		c.mu.Lock()
		if len(c.seen) >= maxShapes {
			clear(c.seen)
		}
		c.seen[s] = v
		c.mu.Unlock()
	}
	v.Provider = provider(d.Reply.RelayHost)
	v.Blocklist = blocklistName.FindString(s.text)
	v.URL = strings.TrimRight(url.FindString(d.Reply.Text), ".,;)>]")
	return v
}

func (c *Classifier) layers(s *shape) bounce.Verdict {
	for i := range c.rules {
		if c.rules[i].matches(s) {
			return c.rules[i].verdict()
		}
	}
	if v, ok := byEnhanced(s.enhanced); ok {
		return v
	}
	if v, ok := byGuide(s.code, s.enhanced); ok {
		return v
	}
	v := bounce.Verdict{Category: bounce.Unclassified, Reason: bounce.Unknown, Scope: bounce.ScopeNetwork, Disposition: bounce.Permanent, Rule: "class/none"}
	switch s.code / 100 {
	case 4:
		v.Disposition, v.Rule = bounce.Retry, "class/4xx"
	case 5:
		v.Rule = "class/5xx"
	}
	return v
}

// bound holds a verdict against the stage at which it was given, and against
// what the MTA did.
func bound(v bounce.Verdict, s *shape) bounce.Verdict {
	switch s.stage {
	case bounce.StageGreeting, bounce.StageEHLO, bounce.StageMailFrom:
		if v.Reason.AddressBad() && v.Scope == bounce.ScopeRecipient {
			// The recipient had not been named yet.
			v.Category, v.Reason, v.Scope = bounce.Rejection, bounce.SenderRejected, bounce.ScopeSender
		}
	}
	switch s.outcome {
	case bounce.Deferred:
		v.Disposition = bounce.Retry
	case bounce.Expired:
		v.Disposition = bounce.Permanent
	case bounce.Bounced:
		v.Suppress = v.Reason.AddressBad() && v.Disposition == bounce.Permanent && s.code/100 != 4 && !strings.HasPrefix(v.Rule, "guide/")
	case bounce.Sent: // not judged
	}
	return v
}

var (
	addressInText = regexp.MustCompile(`<[^<> ]*>|\S+@\S+`)
	longNumber    = regexp.MustCompile(`\d{5,}`)
	longToken     = regexp.MustCompile(`\S*\d\S*`)
	spaces        = regexp.MustCompile(`\s+`)
)

// fold brings a reply into the form that rules read and verdicts are
// remembered by: lower case, one space, without what differs each time.
func fold(text string) string {
	text = strings.ToLower(strings.NewReplacer("’", "'", "´", "'").Replace(text))
	text = addressInText.ReplaceAllString(text, "<>")
	text = longToken.ReplaceAllStringFunc(text, func(token string) string {
		if len(token) > 12 && !strings.ContainsAny(token, "./") {
			return "#"
		}
		return token
	})
	text = longNumber.ReplaceAllString(text, "#")
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}

var (
	url           = regexp.MustCompile(`https?://\S+`)
	blocklistName = regexp.MustCompile(`\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:spamhaus\.org|spamcop\.net|barracudacentral\.org|sorbs\.net|uceprotect\.net|surbl\.org|uribl\.com|abuseat\.org|mailspike\.net|junkemailfilter\.com|psbl\.org|invaluement\.com)\b`)
)

// providers are known by the names of their servers.
var providers = []struct{ suffix, slug string }{
	{"google.com", "google"},
	{"googlemail.com", "google"},
	{"outlook.com", "microsoft"},
	{"hotmail.com", "microsoft"},
	{"yahoodns.net", "yahoo"},
	{"icloud.com", "apple"},
	{"pphosted.com", "proofpoint"},
	{"ppe-hosted.com", "proofpoint"},
	{"mimecast.com", "mimecast"},
	{"barracudanetworks.com", "barracuda"},
	{"iphmx.com", "cisco"},
	{"messagelabs.com", "symantec"},
	{"comcast.net", "comcast"},
	{"gmx.net", "gmx"},
	{"web.de", "webde"},
	{"t-online.de", "t-online"},
	{"orange.fr", "orange"},
	{"free.fr", "free"},
	{"sfr.fr", "sfr"},
	{"mail.ru", "mailru"},
	{"yandex.ru", "yandex"},
	{"yandex.net", "yandex"},
	{"qq.com", "qq"},
	{"163.com", "netease"},
	{"zoho.com", "zoho"},
	{"secureserver.net", "godaddy"},
	{"ovh.net", "ovh"},
	{"kundenserver.de", "ionos"},
	{"amazonaws.com", "amazon"},
	{"seznam.cz", "seznam"},
}

func provider(host string) string {
	for _, p := range providers {
		if host == p.suffix || strings.HasSuffix(host, "."+p.suffix) {
			return p.slug
		}
	}
	return ""
}

var bareCodes = regexp.MustCompile(`^\s*(\d{3})(?:[- ]+(?:\(?#?\[?)?([245]\.\d{1,3}\.\d{1,3})\b)?`)

// Delivery makes a delivery out of a bare reply, as a person pastes it: what
// the MTA did follows from the class of the code.
func Delivery(reply string) bounce.Delivery {
	d := bounce.Delivery{Outcome: bounce.Bounced, Reply: bounce.Reply{Text: reply}}
	lines := regexp.MustCompile(`\r?\n|\\n`).Split(strings.TrimSpace(reply), -1)
	d.Reply.Text = strings.Join(lines, " ")
	if m := bareCodes.FindStringSubmatch(lines[len(lines)-1]); m != nil {
		d.Reply.SMTPCode, _ = strconv.Atoi(m[1])
		d.Reply.EnhancedCode = m[2]
	}
	if d.Reply.SMTPCode/100 == 4 {
		d.Outcome = bounce.Deferred
	}
	return d
}

// checkExamples returns every example that the whole set of rules does not
// treat as its rule says.
func (c *Classifier) checkExamples() error {
	var errs []error
	for i := range c.rules {
		r := &c.rules[i]
		for _, reply := range r.Decides {
			d := Delivery(reply)
			s := shape{text: fold(d.Reply.Text), enhanced: d.Reply.EnhancedCode, code: d.Reply.SMTPCode}
			if got := c.layers(&s).Rule; got != r.ID {
				errs = append(errs, fmt.Errorf("rule %s: its example %q is decided by %s; narrow that one, or put this one before it", r.ID, reply, got))
			}
		}
		for _, reply := range r.Leaves {
			d := Delivery(reply)
			s := shape{text: fold(d.Reply.Text), enhanced: d.Reply.EnhancedCode, code: d.Reply.SMTPCode}
			if c.layers(&s).Rule == r.ID {
				errs = append(errs, fmt.Errorf("rule %s: it decides %q, which it is to leave; narrow its match", r.ID, reply))
			}
		}
	}
	return errors.Join(errs...)
}
