package sqlite

import "github.com/bouncetail/bouncetail/bounce"

func (tx *Tx) saveUnparsed(unparsed []bounce.Unparsed) error {
	return tx.each(len(unparsed), `
		INSERT INTO unparsed_lines (mta, shape, count, example, last_read_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (mta, shape) DO UPDATE SET count = count + excluded.count, last_read_at = excluded.last_read_at`,
		func(i int, p *params) {
			u := &unparsed[i]
			p.Add(string(u.MTA))
			p.Add(u.Shape)
			p.Add(int64(u.Count))
			p.Add(u.Example)
			p.Add(tx.now)
		}, nil)
}
