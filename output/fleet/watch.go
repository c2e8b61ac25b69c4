package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// watch finds the deliveries of this host to addresses that failed at other hosts only.
// Deliveries are not sent, because there are hundreds for each failure. Instead, a host
// knows which addresses of the fleet no delivery has made ok, and looks these up in its
// own table. Also those that are ok by hand: a delivery counts when that ends.
type watch struct {
	seq   int64   // up to which the changes of recipients are known
	keys  []int64 // addresses that no delivery has made ok, sorted
	told  map[int64]string
	found []feed.Delivery // that are still to be sent
	dueAt time.Time
}

const (
	// watchInterval is the shortest pause between two looks.
	watchInterval = 5 * time.Second
	// watchShare bounds the share of time that looks take: a pause is so many times as
	// long as the last look.
	watchShare = 50
	// watchPage is how many changes are read, and addresses looked up, at once.
	watchPage = 20_000
)

func (w *watch) due() bool { return time.Now().After(w.dueAt) }

// next returns deliveries for one transaction.
func (w *watch) next() []feed.Delivery { return w.found[:min(len(w.found), batchSize)] }

// sent notes that the first deliveries of next are stored.
func (w *watch) sent(n int) {
	for _, d := range w.found[:n] {
		w.told[d.Key] = d.At
	}
	w.found = w.found[n:]
}

// look reads which addresses no delivery has made ok, and looks them up.
func (s *Sender) look(ctx context.Context) error {
	begun := time.Now()
	w := &s.watch
	if err := w.pull(ctx, s.conn); err != nil {
		return err
	}
	w.found = nil
	for some := range slices.Chunk(w.keys, watchPage) {
		deliveries, err := s.source.feed.DeliveriesTo(ctx, some)
		if err != nil {
			return err
		}
		for _, d := range deliveries {
			if d.At > w.told[d.Key] {
				w.found = append(w.found, d)
			}
		}
	}
	w.dueAt = time.Now().Add(max(watchInterval, watchShare*time.Since(begun)))
	return nil
}

// pull reads the changes of recipients.
func (w *watch) pull(ctx context.Context, conn *pgx.Conn) error {
	var seq int64
	if err := conn.QueryRow(ctx, "SELECT seq FROM bouncetail.fleet_clock").Scan(&seq); err != nil {
		return err
	}
	if seq < w.seq { // an older fleet was restored
		*w = watch{}
	}
	if w.told == nil {
		w.told = make(map[int64]string)
	}
	isOK := make(map[int64]bool)
	for {
		page, last, err := readChanges(ctx, conn, w.seq)
		if err != nil {
			return err
		}
		w.merge(page, isOK)
		if len(page) < watchPage {
			w.seq = max(seq, last)
			break
		}
		w.seq = last
	}
	w.keys = slices.DeleteFunc(w.keys, func(key int64) bool { return isOK[key] })
	slices.Sort(w.keys)
	w.keys = slices.Compact(w.keys)
	return nil
}

// change is a change of a recipient.
type change struct {
	key       int64
	ok        bool // by a delivery
	delivered string
}

func readChanges(ctx context.Context, conn *pgx.Conn, after int64) (page []change, last int64, err error) {
	// At first, those that a delivery has made ok are of no interest.
	rows, err := conn.Query(ctx, `
		SELECT recipient_key, decided_by, last_delivery_at, seq
		FROM bouncetail.changes
		WHERE seq > $1 AND ($1 > 0 OR decided_by <> 'delivery')
		ORDER BY seq
		LIMIT $2`, after, watchPage)
	if err != nil {
		return nil, after, err
	}
	last = after
	var c change
	var by bounce.Decider
	_, err = pgx.ForEachRow(rows, []any{&c.key, (*string)(&by), (*Stamp)(&c.delivered), &last}, func() error {
		c.ok = by == bounce.ByDelivery
		page = append(page, c)
		return nil
	})
	return page, last, err
}

// merge adds a page of changes to the watched addresses, and notes which are ok.
func (w *watch) merge(page []change, isOK map[int64]bool) {
	for _, c := range page {
		isOK[c.key] = c.ok
		if c.ok {
			delete(w.told, c.key)
			continue
		}
		if c.delivered > w.told[c.key] {
			w.told[c.key] = c.delivered
		}
		w.keys = append(w.keys, c.key)
	}
}
