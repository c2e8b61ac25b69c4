// Package maps writes the addresses that are bad into maps that a mail
// server looks up in, so that it refuses mail to them at once.
//
// The maps are files of their own, each written beside and renamed: the mail
// server never waits for bouncetail, never sees half a map, and goes on with
// the last maps when bouncetail is stopped. One pass over the bad recipients
// writes all of them. A map of another kind is its entry in Maps and a writer
// in maps.go.
package maps

import (
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

	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/bounce"
)

// Source tells which recipients are bad.
type Source interface {
	// LastChange returns a number that grows with every change of a recipient.
	LastChange(ctx context.Context) (int64, error)
	// Bad calls each for every bad recipient.
	Bad(ctx context.Context, each func(*bounce.Recipient) error) error
}

// Publisher writes maps. All fields but Now are needed.
type Publisher struct {
	Dir  string   // is made where it does not exist
	Maps []string // names of Maps
	// Text is what is said to whoever writes to a bad address, with an enhanced
	// code before it; {reason} and {since} are filled in.
	Text string
	// Warn lets Postfix take the mail and log a warning.
	Warn bool
	// MinAge is how long an address has to have been bad.
	MinAge time.Duration
	// Every is the time that has to lie between two writings.
	Every  time.Duration
	MadeBy string // the program and its version
	Source Source
	// NewTable begins a SQLite map in a file that is empty. What Postfix is told
	// of an address begins with access and transport; an empty transport is none.
	NewTable func(ctx context.Context, path string, about []string, access, transport string) (Table, error)
	Now      func() time.Time
	Log      *slog.Logger

	last [sha256.Size]byte // of what the maps hold
}

// Result is what was written.
type Result struct {
	Addresses int
	// LeftOut counts the addresses that no map can hold without doubt: local
	// users without a domain, quoted local parts, control characters.
	LeftOut int
	// Changed tells whether anything was written: maps that would hold the same
	// stay as they are.
	Changed bool
	Files   []string
}

// poll is how often the daemon looks for changes.
const poll = 5 * time.Second

// lookAgain is how often the maps are made anew without a change, because an
// address may have grown old enough, and a file may have been lost.
const lookAgain = time.Hour

// Run keeps the maps current until ctx ends: it writes them at the start, and
// on change, at most every Every. Failures are waited out; the first is logged,
// and the end of the trouble.
func (p *Publisher) Run(ctx context.Context) {
	var (
		written  = int64(-1) // the change up to which the maps are current
		at       time.Time   // when they were made
		failures int
	)
	tick := time.NewTicker(min(poll, p.Every))
	defer tick.Stop()
	for next := p.now(); ; {
		if now := p.now(); !now.Before(next) {
			result, seq, err := p.changed(ctx, written, now.Sub(at) >= max(lookAgain, p.Every))
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if failures++; failures == 1 {
					p.Log.Error("maps not written, the mail server goes on with the old ones; trying again until they are", "error", err)
				}
				next = now.Add(min(poll<<min(failures, 10), max(5*time.Minute, p.Every)))
			default:
				if failures > 0 {
					p.Log.Info("maps are written again")
					failures = 0
				}
				if result != nil {
					written, at, next = seq, now, now.Add(p.Every)
					if result.Changed {
						p.Log.Info("maps written", "directory", p.Dir, "addresses", result.Addresses, "left_out", result.LeftOut)
					}
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

// changed publishes if anything has changed since the change written, or if it
// has to anyway.
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

// temporary begins the names of files that are not whole yet.
const temporary = ".new-"

// Publish writes the maps, each whole or not at all.
func (p *Publisher) Publish(ctx context.Context) (result Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("publish into %s: %w", p.Dir, err)
		}
	}()
	unlock, err := p.take()
	if err != nil {
		return result, err
	}
	defer unlock()
	var maps []*file
	defer func() {
		for _, m := range maps {
			m.discard()
		}
	}()
	for _, name := range p.Maps {
		m, err := p.begin(ctx, name)
		if err != nil {
			return result, err
		}
		maps = append(maps, m)
		result.Files = append(result.Files, m.path)
	}
	sum := sha256.New()
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
		return add(ctx, maps, sum, r.Recipient, p.said(r))
	})
	if err != nil {
		return result, err
	}
	if [sha256.Size]byte(sum.Sum(nil)) == p.last && all(maps, (*file).exists) {
		return result, nil
	}
	for _, m := range maps {
		if err := m.seal(); err != nil {
			return result, err
		}
	}
	// All at once as nearly as can be, the first named as the last: who waits
	// for that one to change finds the others changed already.
	for _, m := range slices.Backward(maps) {
		if err := m.place(); err != nil {
			return result, err
		}
	}
	// What is renamed has to be found under its name after a power cut, too.
	if err := syncFolder(p.Dir); err != nil {
		return result, err
	}
	p.last = [sha256.Size]byte(sum.Sum(nil))
	result.Changed = true
	return result, nil
}

// add puts an address into each map, in every spelling in which it is looked
// up.
func add(ctx context.Context, maps []*file, sum hash.Hash, address, said string) error {
	fmt.Fprintf(sum, "%s\t%s\n", address, said)
	for _, key := range spellings(address) {
		for _, m := range maps {
			if err := m.add(ctx, key, said); err != nil {
				return err
			}
		}
	}
	return nil
}

// said is what is said of a recipient. It carries the token by which it is
// known again.
func (p *Publisher) said(r *bounce.Recipient) string {
	reason, since := string(r.Reason), "an unknown day"
	if reason == "" {
		reason = "blocked"
	}
	if r.BadSince != nil && len(*r.BadSince) >= len(time.DateOnly) {
		since = (*r.BadSince)[:len(time.DateOnly)]
	}
	text := strings.ReplaceAll(strings.ReplaceAll(p.Text, "{reason}", reason), "{since}", since)
	if strings.Contains(text, bounce.RefusalToken) {
		return text
	}
	return text + " " + bounce.RefusalToken
}

// take makes the folder and holds it alone, so that the daemon and a command
// do not write at once. What an earlier run left half done is removed.
func (p *Publisher) take() (unlock func(), err error) {
	if _, err := os.Stat(p.Dir); errors.Is(err, os.ErrNotExist) {
		// Mkdir alone, and not what lies above: a misspelt folder is an error.
		if err := os.Mkdir(p.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("%w; create it, for a user that the mail server may read from", err)
		}
		// Whatever the umask: the mail server's user reads here.
		if err := os.Chmod(p.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	// The folder is its own lock: a file would belong to whoever came first.
	lock, err := os.Open(p.Dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another bouncetail publishes there at this moment; try again"), lock.Close())
	}
	left, err := filepath.Glob(filepath.Join(escape(p.Dir), temporary+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return func() { lock.Close() }, nil
}

// escape keeps filepath.Glob from reading the name of a folder as a pattern.
func escape(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func all(maps []*file, holds func(*file) bool) bool {
	for _, m := range maps {
		if !holds(m) {
			return false
		}
	}
	return true
}
