package sqlite

import (
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// newUnparsed returns the unparsed lines that were not counted before. Their ids are
// stored with those of successes.
func (tx *Tx) newUnparsed(unparsed []bounce.Unparsed) ([]bounce.Unparsed, error) {
	var isNew []bounce.Unparsed
	for _, u := range unparsed {
		var lines []bounce.EventID
		for some := range slices.Chunk(u.Lines, 50_000) {
			err := tx.countOnce(len(some), func(i int) *bounce.EventID { return &some[i] }, func(i int32) {
				lines = append(lines, some[i])
			})
			if err != nil {
				return nil, err
			}
		}
		if u.Lines = lines; len(lines) > 0 {
			isNew = append(isNew, u)
		}
	}
	return isNew, nil
}

func (tx *Tx) saveUnparsed(unparsed []bounce.Unparsed) error {
	return tx.each(len(unparsed), `
		INSERT INTO unparsed_lines (mta, shape, count, example, last_read_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (mta, shape) DO UPDATE SET count = count + excluded.count, last_read_at = excluded.last_read_at`,
		func(i int, p *params) {
			u := &unparsed[i]
			p.Add(string(u.MTA))
			p.Add(u.Shape)
			p.Add(int64(len(u.Lines)))
			p.Add(u.Example)
			p.Add(tx.now)
		}, nil)
}
