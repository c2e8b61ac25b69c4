// Package fleet sends what a host has stored to the PostgreSQL database of a fleet, and
// decides there what all hosts together make of an address.
//
// The state of an address is decided by package recipient, as on one host, from the
// failures and deliveries of all hosts. A batch is one transaction:
//
//	row of the instance, locked ─▶ its failures ─▶ clock ─▶ recipients ─▶ watermark ─▶ COMMIT
//
// How far a host is, is stored in PostgreSQL only, in the transaction of what was sent:
// after any crash, nothing is lost or counted twice. The SQLite file is the outbox, so a
// fleet that is away costs nothing but the time to catch up.
package fleet

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// Settings are those of a host.
type Settings struct {
	DSN string // of PostgreSQL
	// DSNSetting is the setting that has the DSN; empty is fleet.dsn.
	DSNSetting string
	Instance   string // the name of this host in the fleet
	Database   string // the SQLite file
	Version    string // of bouncetail
	HashKey    int64  // identifies the key by which addresses are hashed; 0 if they are not
	Policy     *bounce.Policy
	Keep       Retention // see Maintain
	// HideReplies keeps replies, senders, message IDs and queue IDs on this host.
	HideReplies bool
	// Host takes over what other hosts have decided; nil if it does not.
	Host Host
	Log  *slog.Logger

	// dial replaces the network in tests.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NeedsPerson is an error that does not go away by itself. Its text names the next step.
type NeedsPerson struct{ error }

// Unwrap returns the error.
func (e NeedsPerson) Unwrap() error { return e.error }

func needsPerson(text string) error { return NeedsPerson{errors.New(text)} }

// unready is the error of a fleet that is being created, upgraded or restored. It asks for
// a person, and a sender waits meanwhile.
type unready struct{ error }

func notReady(text string) error { return NeedsPerson{unready{errors.New(text)}} }

const (
	// batchSize is the largest number of failures in a transaction.
	batchSize = 1000
	// pollInterval is how often the SQLite file is asked for news.
	pollInterval = 50 * time.Millisecond
	// sendInterval is the shortest pause after a batch that has sent all there was: each
	// batch makes the senders of other hosts wait.
	sendInterval = 200 * time.Millisecond
	// seenInterval is how often an instance with nothing to send reports that it is there.
	seenInterval = 10 * time.Second
	// expireInterval is how often states are looked for whose time is over.
	expireInterval = time.Minute
)

// source opens the SQLite file, and again if it was replaced.
type source struct {
	path string
	feed *feed.Feed
}

func (s *source) open(ctx context.Context) (err error) {
	if s.feed != nil && s.feed.Replaced() {
		s.close()
	}
	if s.feed == nil {
		s.feed, err = feed.Open(ctx, s.path)
	}
	return err
}

func (s *source) close() {
	if s.feed != nil {
		_ = s.feed.Close() // it is only read
		s.feed = nil
	}
}
