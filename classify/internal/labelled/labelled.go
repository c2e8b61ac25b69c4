// Package labelled reads replies that people have judged, and measures the
// classifier by them.
package labelled

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
)

// Reply is a reply with what people say of it.
type Reply struct {
	Categories []string // any of them is right
	Suppress   string   // "1", "0", or "" where it is disputed
	Stage      bounce.Stage
	Text       string
	// What the log says beside the reply; empty where the file does not.
	Recipient, Sender, DSN, Transport string
	MTA                               bounce.MTA
}

// stages are the names that files use, beside bouncetail's own.
var stages = map[string]bounce.Stage{
	"RCPT": bounce.StageRcptTo, "MAIL": bounce.StageMailFrom, "HELO": bounce.StageEHLO, "CONN": bounce.StageGreeting,
	"RCPT TO": bounce.StageRcptTo, "MAIL FROM": bounce.StageMailFrom, "EHLO": bounce.StageEHLO, "greeting": bounce.StageGreeting,
	"AUTH": bounce.StageAuth, "STARTTLS": bounce.StageTLS, "DATA": bounce.StageEndOfData, "end of DATA": bounce.StageEndOfData,
}

// Read reads a file of labelled replies.
func Read(r io.Reader) ([]Reply, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	names := strings.Split(lines.Text(), "\t")
	if !slices.Contains(names, "category") || !slices.Contains(names, "reply") {
		return nil, fmt.Errorf("line 1: the header names no columns category and reply")
	}
	var all []Reply
	for n := 2; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != len(names) {
			return nil, fmt.Errorf("line %d: %d columns, but the header has %d", n, len(fields), len(names))
		}
		var reply Reply
		for i, name := range names {
			switch name {
			case "category":
				reply.Categories = strings.Split(fields[i], "|")
			case "suppress", "permanent_address_failure":
				reply.Suppress = strings.Trim(fields[i], "?")
			case "stage":
				reply.Stage = stages[fields[i]]
			case "recipient":
				reply.Recipient = fields[i]
			case "sender":
				reply.Sender = fields[i]
			case "dsn":
				reply.DSN = fields[i]
			case "transport":
				reply.Transport = fields[i]
			case "mta":
				reply.MTA = bounce.MTA(fields[i])
			case "reply":
				reply.Text = fields[i]
			}
		}
		all = append(all, reply)
	}
	return all, lines.Err()
}

// Result is how far the classifier agrees.
type Result struct {
	N, Right, Unclassified int
	Bad, BadCaught         int // addresses that are bad, and of these suppressed
	Good, GoodSuppressed   int
	Disagreements          []string

	confusion map[[2]string]int // wanted and given category
}

// lookedUp finds the name that a mail server looked up. People who judge a reply
// without a recipient take it for the recipient's domain.
var lookedUp = regexp.MustCompile(`(?i)(?:name service error for name=|^domain |any host named )([a-z0-9-]+(?:\.[a-z0-9-]+)*)\b`)

// Measure judges each reply as if the MTA had given up on it, because the
// labels are of what the words say.
func Measure(c *classify.Classifier, replies []Reply) *Result {
	r := &Result{confusion: make(map[[2]string]int)}
	for _, reply := range replies {
		d := classify.Delivery(reply.Text)
		d.Outcome = bounce.Bounced
		d.Recipient, d.Sender, d.DSN, d.Transport, d.MTA = reply.Recipient, reply.Sender, reply.DSN, reply.Transport, reply.MTA
		if m := lookedUp.FindStringSubmatch(reply.Text); m != nil && d.Recipient == "" {
			d.Recipient = "someone@" + m[1]
		}
		if reply.Stage != "" {
			d.Reply.Stage = reply.Stage
		}
		r.add(reply, c.Verdict(&d))
	}
	return r
}

func (r *Result) add(reply Reply, v bounce.Verdict) {
	given := string(v.Category)
	agrees := slices.Contains(reply.Categories, given)
	wanted := reply.Categories[0]
	r.N++
	if agrees {
		r.Right++
		wanted = given
	}
	r.confusion[[2]string{wanted, given}]++
	if v.Category == bounce.Unclassified {
		r.Unclassified++
	}
	suppress := "0"
	if v.Suppress {
		suppress = "1"
	}
	switch reply.Suppress {
	case "1":
		if r.Bad++; v.Suppress {
			r.BadCaught++
		}
	case "0":
		if r.Good++; v.Suppress {
			r.GoodSuppressed++
		}
	}
	if !agrees || reply.Suppress != "" && reply.Suppress != suppress {
		r.Disagreements = append(r.Disagreements, fmt.Sprintf("%s/%s, wanted %s/%s, by %s: %.300s",
			given, suppress, strings.Join(reply.Categories, "|"), reply.Suppress, v.Rule, reply.Text))
	}
}

// Confusion is a table: a line for each wanted category, and in it how many
// were given which.
func (r *Result) Confusion() string {
	var b strings.Builder
	lines := make(map[string][]string)
	for _, pair := range slices.SortedFunc(maps.Keys(r.confusion), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		lines[pair[0]] = append(lines[pair[0]], fmt.Sprintf("%s %d", pair[1], r.confusion[pair]))
	}
	for _, wanted := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "%-18s %s\n", wanted+":", strings.Join(lines[wanted], ", "))
	}
	return b.String()
}

// Shares are the four figures that the classifier is held to.
func (r *Result) Shares() string {
	share := func(a, b int) string {
		return fmt.Sprintf("%d of %d (%.1f %%)", a, b, 100*float64(a)/float64(max(b, 1)))
	}
	return fmt.Sprintf("category agrees:           %s\nbad addresses suppressed:  %s\ngood addresses suppressed: %s\nunclassified:              %s\n",
		share(r.Right, r.N), share(r.BadCaught, r.Bad), share(r.GoodSuppressed, r.Good), share(r.Unclassified, r.N))
}
