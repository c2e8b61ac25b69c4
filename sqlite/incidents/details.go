package incidents

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Count is a value with a number.
type Count struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// Details is all that is shown of one incident. The numbers are counted when they are
// shown.
type Details struct {
	Shown
	Hours     []Count `json:"by_hour"`   // failures by hour of the log, in UTC
	Receivers []Count `json:"receivers"` // providers, or domains of no known one
	Senders   []Count `json:"senders"`
	Replies   []Count `json:"replies"` // an example of each rule and code
	States    []Count `json:"states"`  // of its addresses now
	Parts     []int64 `json:"parts"`   // incidents that belong to it
	// Since is from when on failures were counted, if there was no time for all of
	// them; empty is all. The numbers of all of them are those that were stored last.
	Since string `json:"counted_since,omitempty"`
}

// Get returns an incident by its number. Its failures are counted, the last first, as long
// as there is time; 0 is no limit.
func Get(ctx context.Context, db sqldb.Querier, id int64, limit time.Duration) (*Details, error) {
	i, err := loadOne(ctx, db, id)
	if err != nil {
		return nil, err
	}
	s, err := show(ctx, db, i)
	if err != nil {
		return nil, err
	}
	d := NewDetails(s)
	parts, err := sqldb.Numbers(ctx, db, "SELECT id FROM incidents WHERE part_of = ? ORDER BY id", id)
	if err != nil {
		return nil, err
	}
	d.Parts = append(d.Parts, parts...)
	if where, _ := kindred(i); where == "" {
		return d, nil
	}
	return d, d.count(ctx, db, limit)
}

// NewDetails returns the details of an incident of which nothing was counted yet.
func NewDetails(s *Shown) *Details {
	return &Details{
		Shown:     *s,
		Hours:     []Count{},
		Receivers: []Count{},
		Senders:   []Count{},
		Replies:   []Count{},
		States:    []Count{},
		Parts:     []int64{},
	}
}

// count counts the failures of the incident.
func (d *Details) count(ctx context.Context, db sqldb.Querier, limit time.Duration) error {
	c := NewCounter()
	end := d.LastAt + "." // follows this stamp, and is before the next one
	_, since, err := query.Recent(ctx, db, d.StartedAt, end, query.Bound{Time: limit}, func(from, to string) (int, error) {
		return c.read(ctx, db, d, from, to)
	})
	if err != nil {
		return err
	}
	c.Fill(d, since <= d.StartedAt)
	if since > d.StartedAt {
		d.Since = since
	}
	return sqldb.ScanAll(ctx, db, `
		SELECT state, count(*)
		FROM recipients
		WHERE recipient_key IN (SELECT value FROM json_each(?))
		GROUP BY 1
		ORDER BY 2 DESC`, func(scan func(...any) error) error {
		var one Count
		err := scan(&one.Name, &one.N)
		d.States = append(d.States, one)
		return err
	}, sqldb.NumberList(c.Addresses()))
}

// read counts the failures of a part of the incident. It returns how many rows it looked
// at, about.
func (c *Counter) read(ctx context.Context, db sqldb.Querier, d *Details, from, to string) (int, error) {
	where, args := kindred(&d.Incident) // with one range of time, so that the index is used for it
	n := 0
	err := sqldb.ScanAll(ctx, db, `
		SELECT substr(occurred_at, 1, 13), coalesce(sender, ''), coalesce(reply, ''), rule,
		    coalesce(smtp_code, ''), coalesce(enhanced_code, ''), coalesce(provider, domain), domain,
		    recipient_key
		FROM bounces
		WHERE `+where+` AND occurred_at >= ? AND occurred_at < ?`,
		func(scan func(...any) error) error {
			var f Failure
			err := scan(&f.Hour, &f.Sender, &f.Reply, &f.Rule, &f.Code, &f.Enhanced, &f.Receiver, &f.Domain, &f.Key)
			n++
			c.Add(&f)
			return err
		}, append(args, from, to)...)
	return n + 1, err
}
