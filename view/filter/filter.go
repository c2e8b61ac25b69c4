// Package filter parses the words with which a person chooses recipients and failures:
// the values of flags such as --state, --category and --since.
package filter

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// AllStates is the value of --state that chooses every state.
const AllStates = "all"

// States are the states of an address. The worst comes first.
var States = []string{string(bounce.StateBad), string(bounce.StateSuspect), string(bounce.StateFailing), string(bounce.StateOK)}

// Categories returns the categories.
func Categories() []string {
	var slugs []string
	for _, m := range bounce.Categories {
		slugs = append(slugs, m.Slug)
	}
	return slugs
}

// Reasons returns the reasons.
func Reasons() []string {
	var slugs []string
	for _, m := range bounce.Reasons {
		slugs = append(slugs, string(m.Reason))
	}
	return slugs
}

// Words are the values of flags. Empty ones choose all.
type Words struct {
	query.Filter
	Since, BadSince, Until string // times; Since and BadSince are those of Filter
}

// Parse checks the words and returns the filter.
func (w *Words) Parse(now time.Time) (query.Filter, error) {
	f := w.Filter
	if f.State == AllStates {
		f.State = ""
	}
	if f.State != "" {
		if _, err := bounce.ParseState(f.State); err != nil {
			return f, fmt.Errorf(
				"--state: %w; %s is every state%s",
				err, AllStates, text.Near(f.State, append(slices.Clone(States), AllStates)),
			)
		}
	}
	if f.Limit < 0 {
		return f, fmt.Errorf("--limit: %d is less than 0", f.Limit)
	}
	if err := w.check(); err != nil {
		return f, err
	}
	for _, t := range []struct {
		flag, given string
		to          *string
	}{{"--since", w.Since, &f.Since}, {"--bad-since", w.BadSince, &f.BadSince}} {
		if t.given == "" {
			continue
		}
		from, err := when.Past(t.given, now)
		if err != nil {
			return f, fmt.Errorf("%s: %w", t.flag, err)
		}
		*t.to = bounce.Stamp(from)
	}
	f.Domain = address.Domain(f.Domain)
	return f, nil
}

// Outage checks the words and returns the failures of the time that they name.
func (w *Words) Outage(now time.Time) (recipient.Release, error) {
	r := recipient.Release{Category: w.Category, Reason: w.Reason, Domain: address.Domain(w.Domain)}
	if w.Since == "" {
		return r, errors.New("--since: say when the outage began, such as 6h or 2026-11-20T08:00:00+01:00")
	}
	from, end, err := Period(w.Since, w.Until, now)
	switch {
	case err != nil:
		return r, err
	case end.After(now):
		return r, fmt.Errorf("--until: %s is in the future; failures can be released once they have happened", w.Until)
	case !from.Before(end):
		return r, errors.New("--since: the outage ends before it begins")
	}
	r.Since, r.Until = bounce.Stamp(from), bounce.Stamp(end)
	return r, w.check()
}

// Period parses the times of --since and --until, which is now by default.
func Period(since, until string, now time.Time) (from, end time.Time, err error) {
	if from, err = when.Past(since, now); err != nil {
		return from, end, fmt.Errorf("--since: %w", err)
	}
	end = now
	if until != "" {
		if end, err = when.End(until, now); err != nil {
			err = fmt.Errorf("--until: %w", err)
		}
	}
	return from, end, err
}

// Span is Period for what is counted. Up to now includes the second that it is called in.
func Span(since, until string, now time.Time) (from, end time.Time, err error) {
	if from, end, err = Period(since, until, now); err != nil {
		return from, end, err
	}
	if until == "" {
		end = end.Add(time.Second).Truncate(time.Second)
	}
	if !from.Before(end) {
		err = errors.New("--since is not before --until")
	}
	return from, end, err
}

// check checks the category and the reason.
func (w *Words) check() error {
	if w.Category != "" {
		if err := text.OneOf(w.Category, Categories()); err != nil {
			return fmt.Errorf("--category: %w", err)
		}
	}
	if w.Reason != "" && !slices.Contains(Reasons(), w.Reason) {
		return fmt.Errorf("--reason: there is no reason %q%s; bouncetail reasons lists them", w.Reason, text.Near(w.Reason, Reasons()))
	}
	return nil
}
