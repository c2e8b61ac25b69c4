package sqlite

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
)

func (tx *Tx) saveUnparsed(unparsed []bounce.Unparsed) error {
	return tx.each(len(unparsed), `
		INSERT INTO unparsed_lines (mta, shape, count, example, last_read_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (mta, shape) DO UPDATE SET count = count + excluded.count, last_read_at = excluded.last_read_at`,
		func(i int, p *params) {
			u := &unparsed[i]
			p.add(string(u.MTA))
			p.add(u.Shape)
			p.add(int64(u.Count))
			p.add(u.Example)
			p.add(tx.now)
		}, nil)
}

// Unparsed returns the shapes of delivery lines that were not parsed, most
// frequent first.
func (r *Reader) Unparsed(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, "SELECT mta || ': ' || example, count FROM unparsed_lines ORDER BY count DESC, 1 LIMIT 10")
}
