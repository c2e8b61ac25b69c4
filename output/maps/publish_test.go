package maps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// list is a source that the test changes.
type list struct {
	mu   sync.Mutex // the publisher reads while the test writes
	seq  int64
	bad  []bounce.Recipient
	fail error
}

func (l *list) LastChange(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq, l.fail
}

func (l *list) Bad(_ context.Context, each func(*bounce.Recipient) error) error {
	l.mu.Lock()
	bad, fail := slices.Clone(l.bad), l.fail
	l.mu.Unlock()
	for i := range bad {
		if err := each(&bad[i]); err != nil {
			return err
		}
	}
	return fail
}

// change counts a change that does not affect the addresses.
func (l *list) change() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
}

// failWith makes the list fail; nil ends that.
func (l *list) failWith(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *list) add(local, since string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	l.bad = append(l.bad, bounce.Recipient{Recipient: local + "@example.com", Reason: bounce.NoSuchUser, BadSince: &since})
}

func newPublisher(dir string, from *list, log *bytes.Buffer) *Publisher {
	return &Publisher{
		Dir: dir, Maps: []string{"access", "exim"}, Text: "5.1.1 Bounces: {reason} since {since}", Every: 5 * time.Minute,
		MadeBy: "bouncetail test", Source: from, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// lines returns what a map holds, without its header.
func lines(t *testing.T, dir, file string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "# ") {
			all = append(all, line)
		}
	}
	return all
}

const longAgo = "1999-01-01T00:00:00.000Z" // synctest begins in 2000

func TestDaemonPublishesChangesWithAMinimumInterval(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "maps")
	synctest.Test(t, func(t *testing.T) {
		from, log := &list{}, &bytes.Buffer{}
		from.add("a", longAgo)
		p := newPublisher(dir, from, log)
		var mu sync.Mutex
		entries := make(map[string]int)
		p.Written = func(name string, n int) {
			mu.Lock()
			defer mu.Unlock()
			entries[name] = n
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		after := func(d time.Duration, addresses int) {
			t.Helper()
			time.Sleep(d) // in the synctest bubble
			synctest.Wait()
			if got := lines(t, dir, "access"); len(got) != addresses {
				t.Errorf("after %v the map holds %q, want %d addresses", d, got, addresses)
			}
			mu.Lock()
			defer mu.Unlock()
			if entries["access"] != addresses || entries["exim"] != addresses {
				t.Errorf("after %v the maps that were written have %v entries, want %d", d, entries, addresses)
			}
		}
		after(time.Second, 1)
		from.add("b", longAgo)
		after(4*time.Minute, 1) // too soon after the first
		after(2*time.Minute, 2)
		after(20*time.Minute, 2)
		from.add("c", longAgo)
		after(10*time.Second, 3) // the last is long ago

		// A change that does not affect the maps, and a map that was deleted.
		before, err := os.Stat(filepath.Join(dir, "exim"))
		if err != nil {
			t.Fatal(err)
		}
		from.change()
		after(6*time.Minute, 3)
		if now, err := os.Stat(filepath.Join(dir, "exim")); err != nil || !os.SameFile(before, now) {
			t.Errorf("a map was written that holds the same: %v", err)
		}
		if err := os.Remove(filepath.Join(dir, "access")); err != nil {
			t.Fatal(err)
		}
		after(2*time.Hour, 3)

		// Errors are retried, and logged once.
		from.failWith(errors.New("the disk is full"))
		from.add("d", longAgo)
		after(time.Hour, 3)
		from.failWith(nil)
		after(6*time.Minute, 4)
		if said := log.String(); strings.Count(said, "failing, will retry") != 1 || strings.Count(said, "recovered") != 1 || strings.Contains(said, "a@example") {
			t.Errorf("the log says %s", said)
		}
		left, err := filepath.Glob(filepath.Join(dir, ".*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
		stop()
		<-ended
	})
}

func TestMinAgeExcludesRecentAddresses(t *testing.T) {
	from, log := &list{}, &bytes.Buffer{}
	from.add("old", "2026-11-20T09:00:00.000Z")
	from.add("new", "2026-11-22T09:00:00.000Z")
	p := newPublisher(filepath.Join(t.TempDir(), "maps"), from, log)
	p.MinAge = 48 * time.Hour
	p.Now = func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }
	result, err := p.Publish(t.Context())
	if err != nil || result.Addresses != 1 {
		t.Errorf("Publish() = %+v, %v; want one address", result, err)
	}
	if got, want := lines(t, p.Dir, "exim")[0], "old@example.com: 5.1.1 Bounces: no-such-user since 2026-11-20 [bouncetail]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBlockedByHandHasNoReason(t *testing.T) {
	from := &list{bad: []bounce.Recipient{{Recipient: "a@example.com"}}}
	p := newPublisher(filepath.Join(t.TempDir(), "maps"), from, &bytes.Buffer{})
	if _, err := p.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := lines(t, p.Dir, "access")[0], "a@example.com\tREJECT 5.1.1 Bounces: blocked since an unknown day [bouncetail]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTwoProcessesDoNotPublishAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &list{}
		p := newPublisher(filepath.Join(t.TempDir(), "maps"), from, &bytes.Buffer{})
		unlock, err := p.lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := p.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "another bouncetail is publishing there") {
			t.Errorf("Publish() gives %v", err)
		}
		if waited := time.Since(begun); waited < patience || waited > 2*patience {
			t.Errorf("Publish() waited %v for the other, want %v", waited, patience)
		}
		time.AfterFunc(patience/2, unlock)
		if _, err := p.Publish(t.Context()); err != nil {
			t.Errorf("Publish() beside one that ends gives %v", err)
		}
	})
}

func TestAKeyMatchesOnlyOneAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"a@example.com": true, "o'brien@example.com": true, "a+b@example.com": true, "jörg@example.com": true, "a@[192.0.2.1]": true,
		"": false, "root": false, "example.com": false, "@example.com": false, "a@": false, "*": false, "a b@example.com": false,
		`"a"@example.com`: false, `a\b@example.com`: false, "a\n@example.com": false, "a@example.com\u2028": false, "<a@example.com": false,
		strings.Repeat("a", 400) + "@example.com": false,
	} {
		if got := holdable(address); got != want {
			t.Errorf("holdable(%q) = %v", address, got)
		}
	}
	if got := fmt.Sprintln(postfixKey("#a@b"), eximKey("a:b@c"), eximKey("a@b")); got != "\"#a@b\" \"a:b@c\" a@b\n" {
		t.Errorf("quoted: %s", got)
	}
}
