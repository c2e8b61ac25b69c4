package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Silence keeps notices of some incidents from being sent for a time.
type Silence struct {
	Of   string // KIND or KIND/SUBJECT
	For  string // a time such as 8h
	Note string

	stored incidents.Silence
}

// Check parses the fields. It returns an error for one that has no meaning.
func (s *Silence) Check(now time.Time) (err error) {
	if s.stored, err = incidents.ParseSilence(s.Of); err != nil {
		return err
	}
	until, err := when.Future(s.For, now)
	if err != nil {
		return fmt.Errorf("--for: %w", err)
	}
	s.stored.Until, s.stored.Note = bounce.Stamp(until), s.Note
	return nil
}

// Run stores the silence and returns it with its number.
func (s *Silence) Run(ctx context.Context, c config.Config, now time.Time) (incidents.Silence, error) {
	w, err := incidents.Open(ctx, c.Database)
	if err != nil {
		return s.stored, err
	}
	defer w.Close()
	s.stored.ID, err = w.Silence(ctx, s.stored, now)
	return s.stored, err
}

// EndSilence ends a silence.
func EndSilence(ctx context.Context, c config.Config, id int64, now time.Time) error {
	w, err := incidents.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.EndSilence(ctx, id, now)
}

// Backtest looks for incidents in what is stored, with other settings.
type Backtest struct {
	Since       string
	Sensitivity string
	Addresses   int
	Gap         time.Duration

	since    time.Time
	settings incident.Settings
}

// Check parses the fields. It returns an error for one that has no meaning.
func (b *Backtest) Check(now time.Time) (err error) {
	if b.since, err = when.Past(b.Since, now); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	if b.Addresses < 1 {
		return fmt.Errorf("--addresses: %d is less than 1", b.Addresses)
	}
	if b.Gap <= 0 {
		return errors.New("--gap: name a span such as 6h")
	}
	b.settings = incident.Settings{Addresses: b.Addresses, Gap: b.Gap}
	if b.settings.Sensitivity, err = incident.ParseSensitivity(b.Sensitivity); err != nil {
		return fmt.Errorf("--sensitivity: %w", err)
	}
	return nil
}

// Run returns the incidents that would have been found.
func (b *Backtest) Run(ctx context.Context, r *query.Reader, now time.Time) ([]incidents.Shown, error) {
	return incidents.Backtest(ctx, r.Querier(), b.settings, b.since, now)
}
