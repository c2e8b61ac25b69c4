// Package maps writes the bad addresses into lookup tables of mail servers, which
// then refuse mail to them immediately.
//
// Each map is written to a temporary file and renamed into place: the mail server
// never waits for bouncetail, never sees half a map, and continues with the last
// maps if bouncetail is stopped. One pass over the bad recipients writes all maps.
// A new kind of map is its entry in Maps, and a function for its lines.
package maps

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/backoff"
	"github.com/bouncetail/bouncetail/internal/filelock"
	"github.com/bouncetail/bouncetail/internal/health"
)

// Source lists the bad recipients.
type Source interface {
	// LastChange returns a number that grows with every change of a recipient.
	LastChange(ctx context.Context) (int64, error)
	// Bad calls each for every bad recipient.
	Bad(ctx context.Context, each func(*bounce.Recipient) error) error
}

// Publisher writes maps. Now and Retrying can be left out.
type Publisher struct {
	Dir  string   // created if it does not exist
	Maps []string // names of Maps
	// Text is the reply to mail for a bad address. It begins with an enhanced
	// code; {reason} and {since} are replaced.
	Text string
	// Warn makes Postfix accept the mail and log a warning.
	Warn bool
	// MinAge is how long an address must have been bad.
	MinAge time.Duration
	// Every is the shortest time between two runs.
	Every  time.Duration
	MadeBy string // the program and its version
	Source Source
	// Written is called for each map that was written, with its number of entries,
	// two for an address whose domain has two spellings; nil calls nothing.
	Written func(name string, entries int)
	// Retrying lists what currently fails.
	Retrying *health.Retrying
	Now      func() time.Time
	Log      *slog.Logger

	last [sha256.Size]byte // hash of what the maps hold
}

// Result is what was written.
type Result struct {
	Addresses int
	// LeftOut counts the addresses that are ambiguous in a map: local users
	// without a domain, quoted local parts, control characters.
	LeftOut int
	// Changed is false if the maps already held the same.
	Changed bool
	Files   []string
}

// poll is how often the daemon looks for changes.
const poll = 5 * time.Second

// rewriteEvery is how often the maps are written without a change, because an
// address may have become old enough, or a file may have been deleted.
const rewriteEvery = time.Hour

// Run keeps the maps current until ctx ends: it writes them at the start, and after
// a change, at most every p.Every. Errors are retried.
func (p *Publisher) Run(ctx context.Context) {
	var (
		written = int64(-1) // the change up to which the maps are current
		at      time.Time   // when they were written
		pauses  = backoff.Backoff{Min: 2 * poll, Max: max(5*time.Minute, p.Every)}
	)
	retrying := p.Retrying
	if retrying == nil {
		retrying = &health.Retrying{}
	}
	tick := time.NewTicker(min(poll, p.Every))
	defer tick.Stop()
	for next := p.now(); ; {
		if now := p.now(); !now.Before(next) {
			result, seq, err := p.changed(ctx, written, now.Sub(at) >= max(rewriteEvery, p.Every))
			if ctx.Err() != nil {
				return
			}
			retrying.Report(p.Log, "write the maps for the mail server", err)
			if err != nil {
				next = now.Add(pauses.Next())
			} else {
				pauses.Reset()
			}
			if result != nil {
				written, at, next = seq, now, now.Add(p.Every)
				if result.Changed {
					p.Log.Info("maps written", "directory", p.Dir, "addresses", result.Addresses, "left_out", result.LeftOut)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// changed publishes if something changed after the change written, or if anyway is
// set.
func (p *Publisher) changed(ctx context.Context, written int64, anyway bool) (*Result, int64, error) {
	seq, err := p.Source.LastChange(ctx)
	if err != nil || seq == written && !anyway {
		return nil, seq, err
	}
	result, err := p.Publish(ctx)
	if err != nil {
		return nil, 0, err
	}
	return &result, seq, nil
}

func (p *Publisher) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// Publish writes the maps, each completely or not at all.
func (p *Publisher) Publish(ctx context.Context) (result Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("publish into %s: %w", p.Dir, err)
		}
	}()
	unlock, err := p.lock(ctx)
	if err != nil {
		return result, err
	}
	defer unlock()
	var written []*file
	defer func() {
		for _, m := range written {
			m.discard()
		}
	}()
	for _, name := range p.Maps {
		m, err := p.begin(ctx, name)
		if err != nil {
			return result, err
		}
		written = append(written, m)
		result.Files = append(result.Files, m.path)
	}
	sum, err := p.fill(ctx, written, &result)
	if err != nil {
		return result, err
	}
	if sum == p.last && all(written, (*file).exists) {
		return result, nil
	}
	for _, m := range written {
		if err := m.seal(); err != nil {
			return result, err
		}
	}
	// In quick succession, and the first map last: a program that waits for a change of
	// the first map finds the others already changed.
	for _, m := range slices.Backward(written) {
		if err := m.out.Commit(); err != nil {
			return result, err
		}
	}
	p.last = sum
	result.Changed = true
	for _, m := range written {
		if p.Written != nil {
			p.Written(m.Name, m.entries)
		}
	}
	return result, nil
}

// fill writes the bad addresses to the maps, and counts them. It returns a hash of what was
// written.
func (p *Publisher) fill(ctx context.Context, maps []*file, result *Result) (_ [sha256.Size]byte, err error) {
	sum := sha256.New()
	said := make(map[[2]string]string) // the texts by reason and day, of which there are few
	before := p.now().Add(-p.MinAge).UTC().Format("2006-01-02T15:04:05.000Z")
	err = p.Source.Bad(ctx, func(r *bounce.Recipient) error {
		if p.MinAge > 0 && r.BadSince != nil && *r.BadSince > before {
			return nil
		}
		if !holdable(r.Recipient) {
			result.LeftOut++
			return nil
		}
		result.Addresses++
		key := [2]string{string(r.Reason), sinceOf(r)}
		if said[key] == "" {
			said[key] = p.said(key[0], key[1])
		}
		return add(ctx, maps, sum, r.Recipient, said[key])
	})
	return [sha256.Size]byte(sum.Sum(nil)), err
}

// add writes an address to each map, in every spelling in which it is looked up: a
// mail server does not convert a domain.
func add(ctx context.Context, maps []*file, sum hash.Hash, to, said string) error {
	fmt.Fprintf(sum, "%s\t%s\n", to, said)
	for _, key := range address.Spellings(to) {
		for _, m := range maps {
			if err := m.add(ctx, key, said); err != nil {
				return err
			}
		}
	}
	return nil
}

// sinceOf returns the day since which a recipient is bad.
func sinceOf(r *bounce.Recipient) string {
	if r.BadSince == nil || len(*r.BadSince) < len(time.DateOnly) {
		return "an unknown day"
	}
	return (*r.BadSince)[:len(time.DateOnly)]
}

// said returns the reply to mail for a recipient. Its token marks later log lines as
// refusals of bouncetail's maps.
func (p *Publisher) said(reason, since string) string {
	text := strings.ReplaceAll(strings.ReplaceAll(p.Text, "{reason}", cmp.Or(reason, "blocked")), "{since}", since)
	if strings.Contains(text, bounce.RefusalToken) {
		return text
	}
	return text + " " + bounce.RefusalToken
}

// lock creates the directory and locks it, so that the daemon and a command do not
// write at the same time. It removes what an interrupted run left.
func (p *Publisher) lock(ctx context.Context) (unlock func(), err error) {
	if _, err := os.Stat(p.Dir); errors.Is(err, os.ErrNotExist) {
		// Not MkdirAll: a misspelt directory is an error.
		if err := os.Mkdir(p.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("%w; create it, for a user whose files the mail server may read", err)
		}
		// Chmod, because the umask applies to Mkdir.
		if err := os.Chmod(p.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	// Lock the directory itself: a lock file would belong to the first user.
	dir, err := os.Open(p.Dir)
	if err != nil {
		return nil, err
	}
	err = awaitLock(ctx, dir)
	if errors.Is(err, filelock.ErrLocked) {
		err = errors.New("another bouncetail is publishing there; try again")
	}
	if err == nil {
		err = p.removeLeftovers()
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return func() { dir.Close() }, nil
}

// patience is how long a publisher waits for another one. Usually that is the daemon, and
// it needs a second.
const patience = 10 * time.Second

func awaitLock(ctx context.Context, dir *os.File) error {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for end := time.Now().Add(patience); ; {
		err := filelock.TryExclusive(dir)
		if !errors.Is(err, filelock.ErrLocked) || time.Now().After(end) {
			return err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return err
		}
	}
}

// removeLeftovers removes the temporary files of an interrupted run.
func (p *Publisher) removeLeftovers() error {
	entries, err := os.ReadDir(p.Dir)
	for _, entry := range entries {
		for _, m := range Maps {
			// Also the name used by earlier versions.
			if strings.HasPrefix(entry.Name(), "."+m.File+".") || strings.HasPrefix(entry.Name(), ".new-"+m.File+"-") {
				err = errors.Join(err, os.Remove(filepath.Join(p.Dir, entry.Name())))
			}
		}
	}
	return err
}

func all(maps []*file, holds func(*file) bool) bool {
	for _, m := range maps {
		if !holds(m) {
			return false
		}
	}
	return true
}
