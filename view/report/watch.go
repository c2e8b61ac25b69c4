package report

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// Watch prints the failures that were stored since Begin, or since the last Print.
type Watch struct {
	Reader *query.Reader
	Screen *table.Screen
	Zone   table.Zone
	JSON   bool // one object a line

	last int64 // id of the last failure
}

// Begin skips the failures that are stored.
func (w *Watch) Begin(ctx context.Context) error {
	return w.Reader.Query(ctx, "SELECT coalesce(max(id), 0) FROM bounces", noHead, func(v []any) error {
		w.last = v[0].(int64)
		return nil
	})
}

func noHead([]string) error { return nil }

// Print prints the new failures.
func (w *Watch) Print(ctx context.Context) error {
	query := fmt.Sprintf(`
		SELECT id, occurred_at, recipient, outcome, category || ' / ' || reason, coalesce(reply, '')
		FROM bounces
		WHERE id > %d
		ORDER BY id`, w.last)
	return w.Reader.Query(ctx, query, noHead, func(v []any) error {
		w.last = v[0].(int64)
		return w.failure(v)
	})
}

// Run prints the new failures after each pause, until ctx ends.
func (w *Watch) Run(ctx context.Context, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if err := w.Print(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *Watch) failure(v []any) error {
	if w.JSON {
		category, reason, _ := strings.Cut(fmt.Sprint(v[4]), " / ")
		return table.Objects(w.Screen.Out).Encode(struct {
			ID         any    `json:"id"`
			OccurredAt any    `json:"occurred_at"`
			Recipient  any    `json:"recipient"`
			Outcome    any    `json:"outcome"`
			Category   string `json:"category"`
			Reason     string `json:"reason"`
			Reply      any    `json:"reply"`
		}{v[0], v[1], v[2], v[3], category, reason, v[5]})
	}
	line := fmt.Sprintf("%s  %v %v: %v: %v", w.Zone.Short(fmt.Sprint(v[1])), v[2], v[3], v[4], v[5])
	_, err := fmt.Fprintln(w.Screen.Out, text.Cut(text.Printable(line), w.Screen.Width))
	return err
}
