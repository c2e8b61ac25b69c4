// Package pipeline joins the stages: it takes runs of lines from a source,
// has them parsed, joined with what the queue remembers and judged, and saves
// the result batch by batch.
//
// The daemon and the import of files differ only in the source that they hand
// to it. A batch holds the records, what the queue memory changed, and the
// positions in the logs behind the lines that gave them; it is saved whole or
// not at all, and a position that was not saved is read again.
package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

// Source sends runs of whole lines until it ends or ctx does. It returns only
// when nothing more is sent, and does not close out.
type Source func(ctx context.Context, out chan<- bounce.Chunk) error

// Parser turns the lines of one stream into events.
type Parser interface {
	// Parse returns how many lines there were. An event is only valid during
	// the call of yield, which may change it, and its strings lie in the block.
	Parse(block string, yield func(*bounce.Event)) (lines int)
	// State is what a parser of the same stream has to be given after a
	// restart.
	State() []byte
	// TakeUnparsed returns and forgets the delivery lines that were not
	// understood.
	TakeUnparsed() []bounce.Unparsed
}

// Queue joins events to deliveries; see package queue.
type Queue interface {
	Apply(ev *bounce.Event, yield func(*bounce.Delivery))
	Changes() ([]bounce.QueueEntry, error)
}

// Classifier judges a failed delivery. The same delivery gives the same
// verdict.
type Classifier interface {
	Verdict(d *bounce.Delivery) bounce.Verdict
}

// Store saves a batch whole or not at all, and may be given the same batch
// again after an error.
type Store interface {
	// Save returns how many records were new. A batch that is partial is saved
	// with the next one that is not; an error that is not temporary may concern
	// those before it.
	Save(ctx context.Context, b *bounce.Batch) (int, error)
	// Temporary reports whether an error of Save may pass: a full disk, a
	// lock.
	Temporary(err error) bool
}

// Pipeline is one run over one source. All fields but Log, Parsed, Anchor, Hash,
// Linger, Limit and Gather are needed.
type Pipeline struct {
	Source Source
	// NewParser returns a parser for the stream of a chunk that goes on from a
	// state.
	NewParser  func(c *bounce.Chunk, state bounce.ParserState) (Parser, error)
	Queue      Queue
	Classifier func() Classifier // asked for every batch, so that rules can be exchanged
	Store      Store
	Log        *slog.Logger
	// Parsed holds the stored states of parsers, by stream.
	Parsed map[int64]bounce.ParserState
	// Anchor returns a time near the first stamp of the stream of a chunk. It is
	// asked if there is no stored state; nil takes the present time.
	Anchor func(c *bounce.Chunk) time.Time
	// Hash puts hashes in the place of addresses, before anything is kept of
	// them; nil where they are stored as they are.
	Hash *address.Hasher

	// Linger is how long a batch that is not full waits for more lines. Zero
	// saves as soon as no line is waiting, as a daemon does.
	Linger time.Duration
	// Limit is how many records make a full batch, or eight times as many
	// successes; DefaultLimit where it is zero.
	Limit int
	// Gather is how many records, or eight times as many successes, are saved in
	// one transaction of several batches at most, so that what they have in
	// common is brought up to date once; zero gives each batch its own. One that
	// fails after the first cannot be tried again.
	Gather int

	// Progress tells what was done so far; it may be read at any time.
	Progress Progress

	reading, saving health.Heartbeat

	parsers map[int64]Parser // by stream
	parsed  map[int64]bounce.ParserState
	hashed  bounce.Event      // handed to the queue, and used again
	domains map[string]uint32 // where they stand in batch.Domains
	batch   bounce.Batch
	saved   chan *bounce.Batch // whose memory is used again
	at      map[int64]int      // where a stream's position stands in batch.Positions
}

// DefaultLimit is a batch of some 15 MB. Larger ones make SQLite's indexes
// cheaper, and twice as large ones take as much again of a daemon that reads a
// backlog.
const DefaultLimit = 20_000

// successesALimit is how many times as many successes as records make a full
// batch; a record is some 25 times as large.
const successesALimit = 8

// slack is room for what the last chunk of a batch holds.
const slack = 4096

// maxAge bounds a batch where lines are always waiting, so that records are
// seen and positions move on while a backlog is read.
const maxAge = 2 * time.Second

// Progress counts what has been read and saved.
type Progress struct {
	Lines    atomic.Int64
	TooLong  atomic.Int64 // lines left out for their length
	Sent     atomic.Int64
	Deferred atomic.Int64
	Bounced  atomic.Int64
	Expired  atomic.Int64
	New      atomic.Int64 // records that were not in the database yet
	Unparsed atomic.Int64 // delivery lines that no parser understood
	Gaps     atomic.Int64
	SavedAt  atomic.Int64 // Unix nanoseconds of the last batch saved
	// Trouble is why batches cannot be saved at present, or nil.
	Trouble atomic.Pointer[string]
}

// Run reads the source until it ends or ctx does, and saves all that was read.
// It starts one goroutine for the source and one that saves, and waits for
// both.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.Limit == 0 {
		p.Limit = DefaultLimit
	}
	p.parsers = make(map[int64]Parser)
	p.parsed = maps.Clone(p.Parsed)
	if p.parsed == nil {
		p.parsed = make(map[int64]bounce.ParserState)
	}
	p.domains = make(map[string]uint32)
	p.at = make(map[int64]int)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	chunks := make(chan bounce.Chunk, 4)
	sourceDone := make(chan error, 1)
	go func() {
		err := p.Source(ctx, chunks)
		close(chunks)
		sourceDone <- err
	}()

	waiting := 0 // batches that wait for the saver
	if p.Gather > 0 {
		waiting = 1
	}
	batches := make(chan *bounce.Batch, waiting)
	p.saved = make(chan *bounce.Batch, 2+waiting)
	if p.Linger > 0 {
		// One is filled while another is saved.
		for range cap(p.saved) {
			p.saved <- &bounce.Batch{Records: bounce.MakeRecords(p.Limit + slack), Successes: make([]bounce.Success, 0, successesALimit*p.Limit+slack)}
		}
		p.reuse()
	}
	idle := make(chan struct{}, 1)
	idle <- struct{}{}
	saveDone := make(chan error, 1)
	go func() {
		var failed error
		for b := range batches {
			// Where one failed, the rest is drained, so that nobody waits for a
			// saver that gave up.
			if failed == nil {
				if failed = p.save(ctx, b); failed != nil {
					cancel(failed)
				}
			}
			if p.Linger > 0 {
				p.saved <- b
			}
			if len(batches) > 0 {
				continue
			}
			p.saving.Idle()
			select {
			case idle <- struct{}{}:
			default: // told already
			}
		}
		saveDone <- failed
	}()

	err := p.read(chunks, batches, idle)
	if err != nil {
		cancel(err)
		for range chunks { // the source may be waiting to send
		}
	}
	close(batches)
	saveErr, sourceErr := <-saveDone, <-sourceDone
	if errors.Is(sourceErr, context.Canceled) {
		sourceErr = nil
	}
	return errors.Join(err, saveErr, sourceErr)
}

// Still returns for how long neither lines were worked on that had come, nor a
// batch saved or tried again that was to be saved; 0 where there is nothing to
// do.
func (p *Pipeline) Stalled(now time.Time) time.Duration {
	return max(p.reading.Stalled(now), p.saving.Stalled(now))
}

// read turns chunks into batches until the source has ended. idle tells that
// the saver has nothing to do.
func (p *Pipeline) read(chunks <-chan bounce.Chunk, batches chan<- *bounce.Batch, idle <-chan struct{}) error {
	var (
		pending int                 // chunks in the batch
		begun   time.Time           // when the first of them came
		due     <-chan time.Time    // when a batch that is not full is saved
		limit   = max(p.Limit/4, 1) // of the first batch, so that the saver soon has something to do
		handed  time.Time           // when the last batch was

		gathered int  // records in the transaction
		more     bool // lines come next
	)
	flush := func(last bool) error {
		select {
		case <-idle: // it will not be any more
		default:
		}
		gathered += max(p.batch.Records.Len(), len(p.batch.Successes)/successesALimit)
		partial := !last && gathered < p.Gather
		if !partial {
			gathered = 0
		}
		b, err := p.cut(partial)
		if err != nil {
			return err
		}
		p.reading.Idle()
		batches <- b
		limit = min(2*limit, p.Limit)
		p.reuse()
		p.reading.Beat()
		pending, due, handed = 0, nil, time.Now()
		return nil
	}
	defer p.reading.Idle()
	for {
		var c bounce.Chunk
		var open bool
		select {
		case c, open = <-chunks:
		default:
			// No line is waiting: the batch goes as soon as the saver is idle, so
			// that batches are small while little comes, but not sooner after the
			// last one than pace, and in a backlog not before it is large or old;
			// or after Linger.
			var ready <-chan struct{}
			if pending > 0 && p.Linger == 0 {
				early := pace - time.Since(handed)
				if more {
					early = maxAge - time.Since(begun)
				}
				if early <= 0 {
					ready = idle
				} else {
					due = time.After(early)
				}
			}
			p.reading.Idle()
			select {
			case c, open = <-chunks:
			case <-ready:
				p.reading.Beat()
				if err := flush(false); err != nil {
					return err
				}
				continue
			case <-due:
				p.reading.Beat()
				if due = nil; p.Linger == 0 {
					continue // the saver may be busy
				}
				if err := flush(false); err != nil {
					return err
				}
				continue
			}
		}
		p.reading.Beat()
		if !open {
			if pending == 0 && gathered == 0 {
				return nil
			}
			return flush(true)
		}
		if err := p.take(&c); err != nil {
			return err
		}
		more = c.More
		if pending++; pending == 1 {
			begun = time.Now()
			if p.Linger > 0 {
				due = time.After(p.Linger)
			}
		}
		full := p.batch.Records.Len() >= limit || len(p.batch.Successes) >= successesALimit*limit
		if full || time.Since(begun) > cmp.Or(p.Linger, maxAge) {
			if err := flush(false); err != nil {
				return err
			}
		}
	}
}

// take adds what a chunk says to the batch.
func (p *Pipeline) take(c *bounce.Chunk) error {
	stream := c.Position.Stream
	parser := p.parsers[stream]
	if parser == nil {
		state, known := p.parsed[stream]
		if !known {
			state.Anchor = time.Now()
			if p.Anchor != nil {
				state.Anchor = p.Anchor(c)
			}
			p.parsed[stream] = state
		}
		var err error
		if parser, err = p.NewParser(c, state); err != nil {
			return fmt.Errorf("parser for %s: %w", c.Position.Path, err)
		}
		p.parsers[stream] = parser
	}
	if len(c.Data) > 0 {
		judge := p.Classifier()
		add := func(d *bounce.Delivery) { p.add(d, judge) }
		apply := func(ev *bounce.Event) { p.Queue.Apply(ev, add) }
		if p.Hash != nil {
			apply = func(ev *bounce.Event) { p.Queue.Apply(p.hash(ev, judge), add) }
		}
		sent := -len(p.batch.Successes)
		lines := parser.Parse(c.Data, apply)
		sent += len(p.batch.Successes)
		p.Progress.Lines.Add(int64(lines))
		p.Progress.Sent.Add(int64(sent))
	}
	i, known := p.at[stream]
	if !known {
		i = len(p.batch.Positions)
		p.at[stream] = i
		p.batch.Positions = append(p.batch.Positions, bounce.StreamState{})
	}
	p.batch.Positions[i] = bounce.StreamState{Position: c.Position}
	if len(c.Gaps) > 0 {
		p.batch.Gaps = append(p.batch.Gaps, c.Gaps...)
		p.Progress.Gaps.Add(int64(len(c.Gaps)))
	}
	p.Progress.TooLong.Add(int64(c.TooLong))
	return nil
}

// hash returns an event with hashes in the place of addresses. The verdict does
// not change by it: a name that is also a word by which the reply is judged
// stays, such as that of user@example.com.
func (p *Pipeline) hash(ev *bounce.Event, judge Classifier) *bounce.Event {
	h := &p.hashed
	*h = *ev
	p.Hash.Event(h)
	if h.Reply.Text == "" {
		return h
	}
	hidden := p.Hash.Name(h.Reply.Text, ev.Recipient, ev.OriginalRecipient)
	if hidden == h.Reply.Text {
		return h
	}
	d := bounce.Delivery{MTA: h.MTA, Outcome: h.Outcome, DSN: h.DSN, Reply: h.Reply}
	before := judge.Verdict(&d)
	d.Reply.Text = hidden
	after := judge.Verdict(&d)
	before.URL, after.URL = "", "" // which may hold the name
	if before == after {
		h.Reply.Text = hidden
	}
	return h
}

// add turns a delivery into a record, or counts it where it succeeded.
func (p *Pipeline) add(d *bounce.Delivery, judge Classifier) {
	to := address.Parse(d.Recipient)
	switch d.Outcome {
	case bounce.Sent:
		p.batch.Successes = append(p.batch.Successes, bounce.Success{ID: d.ID, Domain: p.domain(to.Domain), At: d.At.UnixMilli(), Key: to.Key()})
		return
	case bounce.Deferred:
		p.Progress.Deferred.Add(1)
	case bounce.Bounced:
		p.Progress.Bounced.Add(1)
	case bounce.Expired:
		p.Progress.Expired.Add(1)
	}
	p.batch.Records.Add(&bounce.Record{Delivery: *d, Verdict: judge.Verdict(d), To: to})
}

// domain returns the place of a domain in the batch.
func (p *Pipeline) domain(s string) uint32 {
	n, known := p.domains[s]
	if !known {
		s = strings.Clone(s) // it lies in a block of the log
		n = uint32(len(p.batch.Domains))
		p.batch.Domains = append(p.batch.Domains, s)
		p.domains[s] = n
	}
	return n
}

// cut ends the batch: from here on it belongs to the saver. Of one that is
// partial, what is not records and successes stays for the next one.
func (p *Pipeline) cut(partial bool) (*bounce.Batch, error) {
	b := p.batch
	p.batch = bounce.Batch{}
	clear(p.domains)
	if partial {
		b.Partial = true
		p.batch.Positions, p.batch.Gaps = b.Positions, b.Gaps
		b.Positions, b.Gaps = nil, nil
		return &b, nil
	}
	clear(p.at)
	var err error
	if b.Queue, err = p.Queue.Changes(); err != nil {
		return nil, err
	}
	for i := range b.Positions {
		at := &b.Positions[i]
		parser := p.parsers[at.Stream]
		at.Parser = bounce.ParserState{Anchor: p.parsed[at.Stream].Anchor, Data: parser.State()}
		if p.Hash != nil {
			at.Parser.Data = p.Hash.Seal(at.Parser.Data) // it may hold a part of a line
		}
		unparsed := parser.TakeUnparsed()
		for _, u := range unparsed {
			p.Progress.Unparsed.Add(int64(u.Count))
		}
		b.Unparsed = append(b.Unparsed, unparsed...)
		if at.Closed {
			delete(p.parsers, at.Stream) // a closed stream may be found in a file again, and go on
			p.parsed[at.Stream] = at.Parser
		}
	}
	return &b, nil
}

// reuse takes the memory of a batch that was saved for the next one. Where none
// is kept, because batches are small, it does nothing.
func (p *Pipeline) reuse() {
	if p.Linger > 0 {
		b := <-p.saved
		b.Records.Reset()
		p.batch.Records, p.batch.Successes = b.Records, b.Successes[:0]
	}
}

// pace is how long after a batch the next one is saved at the earliest where
// lines come one by one, as from a pipe: a commit costs as much as hundreds of
// lines.
const pace = 50 * time.Millisecond

// giveUpAfter is how long a batch that cannot be saved is tried once the
// program has been asked to stop. Nothing is lost by giving up: the positions
// were not saved either.
const giveUpAfter = 5 * time.Second

// save saves a batch, and waits out the trouble that may pass: it says so once
// when it begins and once when it ends.
func (p *Pipeline) save(ctx context.Context, b *bounce.Batch) error {
	pause := 100 * time.Millisecond
	for {
		p.saving.Beat()
		// Not ctx: a stop must not tear the last batch.
		isNew, err := p.Store.Save(context.WithoutCancel(ctx), b)
		if err == nil {
			if p.Progress.Trouble.Swap(nil) != nil {
				p.Log.Info("saving again")
			}
			p.Progress.New.Add(int64(isNew))
			p.Progress.SavedAt.Store(time.Now().UnixNano())
			return nil
		}
		err = fmt.Errorf("save batch: %w", err)
		if !p.Store.Temporary(err) {
			return err
		}
		why := err.Error()
		if p.Progress.Trouble.Swap(&why) == nil {
			p.Log.Error("batch not saved, trying again until it is", "error", err)
		}
		p.saving.Beat() // trouble that is waited out is no hanging
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		case <-ctx.Done():
			if pause >= giveUpAfter {
				return err
			}
			time.Sleep(pause) // the program is ending; nothing else waits
			pause *= 2
		}
	}
}
