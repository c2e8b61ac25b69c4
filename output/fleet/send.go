package fleet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/internal/backoff"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// Sender sends what a host has stored.
type Sender struct {
	Settings
	source source
	conn   *pgx.Conn // nil while there is none
	// done is how far the last transaction came; nil if that is not known. Only
	// PostgreSQL knows it after an error.
	done       *position
	seenAt     time.Time // when the fleet last heard of this host
	seen       string    // stored stamp of that, by the clock of PostgreSQL
	expiredAt  time.Time
	changedAt  int64 // see feed.Changed
	watch      watch
	counts     counts
	hand       byHand
	figures    figures
	settling   settling
	taking     taking
	resending  resending
	crowds     crowdMemory
	overlaps   int    // see overlapBatches
	ahead      *ahead // nil if nothing is read ahead
	batchSize  int    // of failures; 0 is batchSize
	number     int64  // of this host in the fleet; 0 if it is not known
	troubled   string
	noted      noted
	leftOut    map[string]bool // see leaveOut
	sinceStart Sent
}

// position is how far an instance has sent.
type position struct{ failure, change int64 }

// Sent is what was sent.
type Sent struct {
	Failures   int `json:"failures"`   // that were sent
	New        int `json:"new"`        // of these, failures that no other host had sent
	Recipients int `json:"recipients"` // of the fleet whose rows changed
}

// Run sends what there is and what comes, until ctx is done. Errors that may go away
// are logged once, and it tries again.
func (s *Sender) Run(ctx context.Context) error {
	defer s.close()
	retry := backoff.Backoff{Min: 200 * time.Millisecond, Max: time.Minute}
	poll, pause := backoff.Backoff{Min: pollInterval, Max: pollInterval}, backoff.Backoff{Min: sendInterval, Max: sendInterval}
	for {
		sentBefore := s.seenAt
		more, err := s.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case isPersons(err) && !isUnready(err):
			return err
		case err != nil:
			s.fail(err)
			if retry.Wait(ctx) != nil {
				return nil
			}
			continue
		}
		s.recover()
		retry.Reset()
		wait := &poll
		if s.seenAt != sentBefore {
			wait = &pause
		}
		if !more && wait.Wait(ctx) != nil {
			return nil
		}
	}
}

// SendAll sends what there is, and ends with the first error.
func (s *Sender) SendAll(ctx context.Context) (Sent, error) {
	defer s.close()
	for _, dueAt := range []*time.Time{&s.watch.dueAt, &s.counts.dueAt, &s.hand.dueAt, &s.figures.dueAt, &s.settling.dueAt} {
		*dueAt = time.Time{}
	}
	for {
		more, err := s.round(ctx)
		if err == nil && !more {
			more, err = s.takeAll(ctx)
		}
		if err == nil && !more {
			err = s.settleAll(ctx)
		}
		if err == nil && !more && s.done != nil {
			s.note(ctx, s.done.failure, true)
		}
		if err != nil || !more {
			return s.sinceStart, err
		}
	}
}

func isPersons(err error) bool {
	_, is := errors.AsType[NeedsPerson](err)
	return is
}

// isUnready reports whether an error goes away when somebody has created, upgraded or
// restored the fleet.
func isUnready(err error) bool {
	_, is := errors.AsType[unready](err)
	return is
}

// fail logs an error, once as long as it stays the same.
func (s *Sender) fail(err error) {
	if text := err.Error(); text != s.troubled {
		s.troubled = text
		s.Log.Warn("cannot send, retrying", "error", err)
	}
}

func (s *Sender) recover() {
	if s.troubled != "" {
		s.troubled = ""
		s.Log.Info("sending again")
	}
}

func (s *Sender) close() {
	s.stopTaking()
	s.source.close()
	s.disconnect()
}

// disconnect closes the connection, whatever state it is in.
func (s *Sender) disconnect() {
	// What was not committed is looked for again.
	s.done, s.ahead = nil, nil
	s.counts, s.hand, s.crowds = counts{}, byHand{}, crowdMemory{}
	s.resending, s.figures = resending{}, figures{}
	s.settling.settled = false
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // its transaction is rolled back in any case
	s.conn = nil
}

// nothingDue reports whether nothing is to be done but to send what is new.
func (s *Sender) nothingDue() bool {
	return !s.watch.due() &&
		!s.counts.due() &&
		!s.hand.due() &&
		!s.figures.due() &&
		!s.settling.due() &&
		!s.takes() &&
		s.resending.target == 0
}

// round sends one batch, if there is one. It returns whether there may be more.
func (s *Sender) round(ctx context.Context) (more bool, err error) {
	s.source.path = s.Database
	if err := s.source.open(ctx); err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			s.disconnect()
		}
	}()
	if s.done != nil && s.nothingDue() {
		if idle, err := s.idle(ctx); err != nil || idle {
			return false, err
		}
	}
	if s.conn == nil {
		if s.conn, err = s.Connect(ctx); err != nil {
			return false, err
		}
	}
	for _, duty := range []struct {
		due func() bool
		do  func(context.Context) error
	}{
		{func() bool { return time.Since(s.expiredAt) >= expireInterval }, s.expire},
		{s.watch.due, s.look},
		{func() bool { return s.number != 0 && s.counts.due() }, s.count},
		{func() bool { return s.number != 0 && s.hand.due() }, s.lookByHand},
		{func() bool { return s.number != 0 && s.takes() }, s.takeOver},
		{func() bool { return s.resending.target != 0 }, s.resendBatch},
	} {
		if !duty.due() {
			continue
		}
		if err := duty.do(ctx); err != nil {
			return false, Explain(err)
		}
	}
	more, err = s.sendBatch(ctx)
	if err == nil && s.figures.due() { // behind the batch, which recognises a restored backup
		err = s.sendFigures(ctx)
	}
	if more = more || s.figures.waiting(); err == nil && s.settling.due() {
		var unsettled bool
		unsettled, err = s.settle(ctx)
		more = more || unsettled
	}
	return more, Explain(err)
}

// idle reports whether there is nothing to do.
func (s *Sender) idle(ctx context.Context) (bool, error) {
	if time.Since(s.seenAt) >= seenInterval || time.Since(s.expiredAt) >= expireInterval {
		return false, nil
	}
	version, err := s.source.feed.Changed(ctx)
	if err != nil || version == s.changedAt {
		return err == nil, err
	}
	failure, change, err := s.source.feed.Ends(ctx)
	if err != nil || failure > s.done.failure || change > s.done.change {
		return false, err
	}
	s.changedAt = version
	return true, nil
}

// noted is what was noted on the host of how far the fleet is.
type noted struct {
	failure int64
	at      time.Time
}

const (
	// noteInterval is the shortest pause between two notes.
	noteInterval = 10 * time.Second
	// noteAnyway is the longest one.
	noteAnyway = time.Minute
)

// note stores in the database of the host which failure the fleet has got last: pruning
// keeps later ones, and status shows it. An error is of no interest, because the next note
// holds the same.
func (s *Sender) note(ctx context.Context, failure int64, now bool) {
	n := &s.noted
	pause := noteInterval
	switch {
	case now || failure < n.failure: // an older fleet was restored
		pause = 0
	case failure == n.failure:
		pause = noteAnyway
	}
	if time.Since(n.at) < pause {
		return
	}
	*n = noted{failure, time.Now()}
	if err := s.source.feed.NoteSent(ctx, failure, n.at); err != nil {
		s.Log.Debug("cannot note what was sent", "error", err)
	}
}

// decide brings the addresses up to date that a batch, its counts of deliveries, and what
// was decided by hand concern.
func (s *Sender) decide(t *transaction, news *crowdNews, counted []feed.DaySent, hand *byHand, number int64) (err error) {
	// By hand, addresses may be touched or forgotten before they are looked at.
	var rows []statement
	if hand.waiting() == 0 {
		news.known = make(map[int64]*recipientRow, len(news.touched))
		rows = append(rows, loadRecipients(slices.Sorted(maps.Keys(news.touched)), news.known))
	}
	if err := t.takeClock(len(news.touched)+1, s.HashKey, rows...); err != nil {
		return err
	}
	if t.anyForgotten {
		news.known = nil
	}
	if news.sent, err = t.saveTraffic(counted, number); err != nil {
		return err
	}
	if err := t.dropForgotten(number, news.touched); err != nil {
		return err
	}
	if err := t.decide(hand.decisions, hand.releases, number, news.touched); err != nil {
		return err
	}
	if err := t.forget(hand.forgotten, number, news.touched); err != nil {
		return err
	}
	return t.update(news, &s.crowds)
}

// overlapBatches is how many batches without a failure that another host has sent follow
// one with such a failure before it is expected that there are no more.
const overlapBatches = 20

// store stores failures, and returns those that no instance had sent before.
func (s *Sender) store(t *transaction, failures []feed.Failure, i *instance) ([]feed.Failure, error) {
	if s.overlaps == 0 && !i.anyForgotten && len(failures) > 0 {
		return failures, t.copy(failures, i.number)
	}
	isNew, err := t.insert(failures, i.number)
	if s.overlaps = max(0, s.overlaps-1); len(isNew) < len(failures) {
		s.overlaps = overlapBatches
	}
	return isNew, err
}
