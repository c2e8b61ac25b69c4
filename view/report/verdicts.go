package report

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// VerdictChanges gathers verdicts that differ, by what they were and are.
type VerdictChanges struct {
	n, changed, bad, good int // bad and good: suppressed now, and no longer
	by                    map[change]*changed
}

type change struct{ before, now, ruleBefore, rule string }

type changed struct {
	n       int
	example string
}

// Judged counts n more replies whose verdict is the same.
func (c *VerdictChanges) Judged(n int) { c.n += n }

// Note notes the verdict on a reply before and now.
func (c *VerdictChanges) Note(reply string, before, now bounce.Verdict) {
	c.n++
	if before == now {
		return
	}
	c.changed++
	if now.Suppress && !before.Suppress {
		c.bad++
	}
	if before.Suppress && !now.Suppress {
		c.good++
	}
	k := change{verdictText(before), verdictText(now), before.Rule, now.Rule}
	if c.by == nil {
		c.by = make(map[change]*changed)
	}
	if c.by[k] == nil {
		c.by[k] = &changed{example: reply}
	}
	c.by[k].n++
}

func verdictText(v bounce.Verdict) string {
	s := fmt.Sprintf("%s / %s, %s", v.Category, v.Reason, v.Disposition)
	if v.Suppress {
		s += ", address bad"
	}
	return s
}

// Print shows the changes, the most frequent first.
func (c *VerdictChanges) Print(out *table.Screen, of string) error {
	for _, k := range c.keys() {
		n := fmt.Sprintf("%d: ", c.by[k].n)
		fmt.Fprintln(out.Out, out.Hang(n, fmt.Sprintf("%s (%s)", k.before, text.Printable(k.ruleBefore))))
		fmt.Fprintln(out.Out, out.Hang("   now ", fmt.Sprintf("%s (%s)", k.now, text.Printable(k.rule))))
		fmt.Fprintln(out.Out, out.Hang("   ", text.Cut(text.Printable(c.by[k].example), 200)))
	}
	_, err := fmt.Fprintln(out.Out, out.Prose(fmt.Sprintf(
		"%d of %d %s classified differently; %d more count against the address, %d no longer.",
		c.changed, c.n, of, c.bad, c.good,
	)))
	return err
}

// keys lists the changes, the most frequent first.
func (c *VerdictChanges) keys() []change {
	keys := make([]change, 0, len(c.by))
	for k := range c.by {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b change) int {
		return cmp.Or(
			cmp.Compare(c.by[b].n, c.by[a].n), cmp.Compare(a.rule, b.rule),
			cmp.Compare(a.ruleBefore, b.ruleBefore), cmp.Compare(a.before+a.now, b.before+b.now),
		)
	})
	return keys
}

// Records compares the verdicts that the database holds with those of a classifier.
func (c *VerdictChanges) Records(ctx context.Context, r *query.Reader, with *classify.Classifier) error {
	return r.Records(ctx, func(s *query.Stored) error {
		c.Note(s.Delivery.Reply.Text, s.Verdict, with.Verdict(&s.Delivery))
		return nil
	})
}

// Replies compares the verdicts of the built-in rules alone with those of a classifier,
// on replies, or on the lines of in if there are none.
func (c *VerdictChanges) Replies(replies []string, in io.Reader, with *classify.Classifier) error {
	without, err := classify.New("")
	if err != nil {
		return err
	}
	return EachReply(replies, in, func(reply string) error {
		d, err := readDelivery(reply)
		if err == nil {
			c.Note(reply, without.Verdict(&d), with.Verdict(&d))
		}
		return err
	})
}

// EachReply calls f for the replies, or for the lines of in if there are none.
func EachReply(replies []string, in io.Reader, f func(string) error) error {
	for _, reply := range replies {
		if err := f(reply); err != nil {
			return err
		}
	}
	if len(replies) > 0 {
		return nil
	}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("standard input: %w", err)
		}
		if line != "" {
			if err := f(strings.TrimRight(line, "\r\n")); err != nil {
				return err
			}
		}
		if err != nil {
			return nil //nolint:nilerr // the end
		}
	}
}
