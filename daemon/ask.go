package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	view "github.com/bouncetail/bouncetail/view/fleet"
	"github.com/bouncetail/bouncetail/view/report"
)

// Answers are given by the database of this host, and by that of a fleet.
type Answers interface {
	report.HistoryReader
	report.TopReader
	Recipient(ctx context.Context, address string) (row bounce.Recipient, known bool, err error)
	Recipients(ctx context.Context, f query.Filter, each func(*bounce.Recipient) error) (lastSeq int64, err error)
	Incidents(ctx context.Context, f incidents.Filter) ([]incidents.Shown, error)
	// Incident returns an incident, in a fleet that of a host.
	Incident(ctx context.Context, host string, id int64) (*incidents.Details, error)
	// FailuresOfIncident returns the condition that chooses its failures, for query.Filter.
	FailuresOfIncident(ctx context.Context, host string, id int64) (where string, args []any, err error)
}

// Question is what an answer is asked for with.
type Question struct {
	Config  config.Config
	Fleet   bool // ask the fleet
	Version string
	Log     *slog.Logger
}

// Ask calls do with what answers, and with a function that returns an address as it is
// stored there.
func (q *Question) Ask(ctx context.Context, do func(r Answers, stored func(bounce.Address) (bounce.Address, error)) error) error {
	if !q.Fleet {
		r, err := query.OpenReader(ctx, q.Config.Database)
		if err != nil {
			return err
		}
		err = do(ofHost{r}, storedBy(func() (*privacy.Hasher, error) { return hasherOf(ctx, q.Config, r) }))
		return errors.Join(err, r.Close())
	}
	r, err := q.openFleet(ctx)
	if err != nil {
		return err
	}
	err = do(r, storedBy(func() (*privacy.Hasher, error) { return OpenHasher(q.Config.Privacy) }))
	return errors.Join(err, r.Close())
}

// Open opens the database that answers.
func (q *Question) Open(ctx context.Context) (*query.Reader, error) {
	if !q.Fleet {
		return query.OpenReader(ctx, q.Config.Database)
	}
	s, err := Fleet(q.Config, q.Version, q.Log)
	if err != nil {
		return nil, err
	}
	db := view.Database(s)
	r, err := view.Begin(ctx, db, db.Close)
	return r, asConfigError(err)
}

func (q *Question) openFleet(ctx context.Context) (*view.Reader, error) {
	s, err := Fleet(q.Config, q.Version, q.Log)
	if err != nil {
		return nil, err
	}
	r, err := view.Open(ctx, s)
	return r, asConfigError(err)
}

// storedBy returns addresses as they are stored. A hash needs no key.
func storedBy(open func() (*privacy.Hasher, error)) func(bounce.Address) (bounce.Address, error) {
	open = sync.OnceValues(open)
	return func(to bounce.Address) (bounce.Address, error) {
		if privacy.IsHashed(to) {
			return to, nil
		}
		h, err := open()
		if err != nil {
			return to, err
		}
		return h.Hashed(to), nil
	}
}
