package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// batch is what one transaction sends.
type batch struct {
	from, to   position
	event      bounce.EventID // of the last failure
	failures   []feed.Failure
	deliveries []feed.Delivery
	end        position // of what there is
	reading    feed.Reading
}

// ahead is a batch that is read while PostgreSQL works on the one before it.
type ahead struct {
	feed  *feed.Feed
	after instance // only its position and event
	read  chan read
}

type read struct {
	*batch
	err error
}

// next returns the batch behind what an instance has sent, and begins to read the one
// behind it.
func (s *Sender) next(ctx context.Context, i *instance) (b *batch, err error) {
	f, a := s.source.feed, s.ahead
	s.ahead = nil
	if a != nil && a.feed == f && a.after.position == i.position && a.after.event == i.event {
		r := <-a.read
		b, err = r.batch, r.err
	} else {
		b, err = s.read(ctx, f, i)
	}
	if err != nil || b.to.failure == b.end.failure {
		return b, err
	}
	a = &ahead{f, instance{position: b.to, event: b.event}, make(chan read, 1)}
	s.ahead = a
	go func() {
		b, err := s.read(ctx, f, &a.after)
		a.read <- read{b, err}
	}()
	return b, nil
}

// read reads the next batch from SQLite.
func (s *Sender) read(ctx context.Context, f *feed.Feed, i *instance) (*batch, error) {
	b := &batch{from: i.position, to: i.position, event: i.event}
	var err error
	if b.end.failure, b.end.change, err = f.Ends(ctx); err != nil {
		return nil, err
	}
	event, found, err := f.EventOf(ctx, i.failure)
	if err != nil {
		return nil, err
	}
	if b.from.failure > b.end.failure || b.from.change > b.end.change || found && event != i.event {
		return nil, needsPerson(fmt.Sprintf(
			"the database %s is not the one that was sent last as %s: a backup was restored, or two hosts send as %s. To continue with this database, run: bouncetail fleet adopt",
			s.Database, s.Instance, s.Instance,
		))
	}
	limit := cmp.Or(s.batchSize, batchSize)
	if b.failures, err = s.failures(ctx, f, i.failure, limit); err != nil {
		return nil, err
	}
	if n := len(b.failures); n > 0 {
		b.to.failure, b.event = b.failures[n-1].ID, b.failures[n-1].Record.ID
	}
	if len(b.failures) < limit && b.to.failure < b.end.failure {
		b.to.failure = b.end.failure // the rest was deleted
		if b.event, _, err = f.EventOf(ctx, b.to.failure); err != nil {
			return nil, err
		}
	}
	var all bool
	if b.deliveries, b.to.change, all, err = f.Deliveries(ctx, i.change, batchSize); err != nil {
		return nil, err
	}
	if all {
		b.to.change = max(b.to.change, b.end.change)
	}
	b.reading, err = f.Reading(ctx)
	return b, err
}

// failures returns the next failures, without what is not sent.
func (s *Sender) failures(ctx context.Context, f *feed.Feed, after int64, limit int) ([]feed.Failure, error) {
	list, err := f.Failures(ctx, after, limit)
	if !s.HideReplies {
		return list, err
	}
	for i := range list {
		f := &list[i]
		f.Reply.Text, f.Sender, f.HasSender, f.MessageID, f.QueueID, f.URL = "", "", false, "", "", ""
	}
	return list, err
}

// touched returns the addresses that a batch concerns, with further deliveries. Of the
// failures, it takes those that are new to the fleet.
func (b *batch) touched(isNew []feed.Failure, deliveries []feed.Delivery) touches {
	all := make(touches)
	for i := range isNew {
		f := &isNew[i]
		if f.Reason == bounce.Suppressed { // a refusal of the host itself does not concern the address
			continue
		}
		one := all.of(f.Key)
		one.delivery = max(one.delivery, f.LastDelivery)
		one.to = bounce.Address{Normal: clean(f.To.Normal), Domain: clean(f.To.Domain)}
		one.failures = append(one.failures, failureOf(f))
	}
	for _, d := range slices.Concat(b.deliveries, deliveries) {
		one := all.of(d.Key)
		one.delivery = max(one.delivery, d.At)
	}
	return all
}
