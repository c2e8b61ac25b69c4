package pipeline

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// batcher makes batches from chunks.
type batcher struct {
	p             *Pipeline
	parsers       map[int64]Parser // by stream
	parsed        map[int64]bounce.ParserState
	batch         bounce.Batch
	domainIndex   map[string]uint32 // in batch.Domains
	positionIndex map[int64]int     // in batch.Positions, by stream
	providers     providers
	hashed        bounce.Event // reused for each event
	saved         <-chan *bounce.Batch
	logged        map[string]bool // what logUnparsed has logged
}

func newBatcher(p *Pipeline, saved <-chan *bounce.Batch) *batcher {
	b := &batcher{
		p: p, saved: saved, parsers: make(map[int64]Parser), parsed: make(map[int64]bounce.ParserState),
		domainIndex: make(map[string]uint32), positionIndex: make(map[int64]int), logged: make(map[string]bool),
	}
	maps.Copy(b.parsed, p.Parsed)
	return b
}

// records returns the weighted number of records in the batch.
func (b *batcher) records() int {
	return max(b.batch.Records.Len(), len(b.batch.Successes)/successWeight)
}

// take adds the content of a chunk to the batch.
func (b *batcher) take(c *bounce.Chunk) error {
	parser, err := b.parser(c)
	if err != nil {
		return err
	}
	if len(c.Data) > 0 {
		judge := b.p.Classifier()
		add := func(d *bounce.Delivery) { b.add(d, judge) }
		apply := func(ev *bounce.Event) { b.p.Queue.Apply(ev, add) }
		if b.p.Hash != nil {
			apply = func(ev *bounce.Event) { b.p.Queue.Apply(b.hash(ev, judge), add) }
		}
		sent := -len(b.batch.Successes)
		lines := parser.Parse(c.Data, apply)
		sent += len(b.batch.Successes)
		b.p.Progress.Lines.Add(int64(lines))
		b.p.Progress.Sent.Add(int64(sent))
		if parser.Foreign() {
			b.warnOnce("no line of a mail server in the first hundred lines", c.Position.Path, "log", c.Position.Path, "next", "is it the log of the mail server? see bouncetail doctor")
		}
	}
	i, known := b.positionIndex[c.Position.Stream]
	if !known {
		i = len(b.batch.Positions)
		b.positionIndex[c.Position.Stream] = i
		b.batch.Positions = append(b.batch.Positions, bounce.StreamState{})
	}
	b.batch.Positions[i] = bounce.StreamState{Position: c.Position}
	if len(c.Gaps) > 0 {
		b.batch.Gaps = append(b.batch.Gaps, c.Gaps...)
		b.p.Progress.Gaps.Add(int64(len(c.Gaps)))
	}
	b.p.Progress.TooLong.Add(int64(c.TooLong))
	return nil
}

// release adds the successes that have been held back long enough, and reports
// whether there were any.
func (b *batcher) release(now time.Time) bool {
	before, judge := len(b.batch.Successes), b.p.Classifier()
	b.p.Queue.Release(now, func(d *bounce.Delivery) { b.add(d, judge) })
	n := len(b.batch.Successes) - before
	b.p.Progress.Sent.Add(int64(n))
	return n > 0
}

// parser returns the parser of the stream of a chunk.
func (b *batcher) parser(c *bounce.Chunk) (Parser, error) {
	stream := c.Position.Stream
	if parser := b.parsers[stream]; parser != nil {
		return parser, nil
	}
	state, known := b.parsed[stream]
	if !known {
		state.Anchor = time.Now()
		if b.p.Anchor != nil {
			state.Anchor = b.p.Anchor(c)
		}
		b.parsed[stream] = state
	}
	parser, err := b.p.NewParser(c, state)
	if err != nil {
		return nil, fmt.Errorf("parser for %s: %w", c.Position.Path, err)
	}
	b.parsers[stream] = parser
	return parser, nil
}

// hash returns an event with its addresses replaced by hashes. The verdict does not
// change: a local part that is also a word that the rules read, such as that of
// user@example.com, stays in the reply.
func (b *batcher) hash(ev *bounce.Event, judge Classifier) *bounce.Event {
	h := &b.hashed
	*h = *ev
	b.p.Hash.Event(h)
	if h.Reply.Text == "" {
		return h
	}
	hidden := b.p.Hash.Name(h.Reply.Text, ev.Recipient, ev.OriginalRecipient)
	if hidden == h.Reply.Text {
		return h
	}
	before := judge.Verdict(&ev.Delivery) // with the addresses in the reply
	d := h.Delivery
	d.Reply.Text = hidden
	after := judge.Verdict(&d)
	before.URL, after.URL = "", "" // which may contain the local part
	if before == after {
		h.Reply.Text = hidden
	}
	return h
}

// add adds a failed delivery as a record, or a success.
func (b *batcher) add(d *bounce.Delivery, judge Classifier) {
	to := address.Parse(d.Recipient)
	switch d.Outcome {
	case bounce.Sent:
		b.batch.Successes = append(b.batch.Successes, bounce.Success{
			ID: d.ID, Domain: b.domain(to.Domain), At: d.At.UnixMilli(), Key: to.Key(),
			Provider: b.providers.index(d.Reply.RelayHost, judge), First: d.First,
		})
		return
	case bounce.Deferred:
		b.p.Progress.Deferred.Add(1)
	case bounce.Bounced:
		b.p.Progress.Bounced.Add(1)
	case bounce.Expired:
		b.p.Progress.Expired.Add(1)
	}
	b.batch.Records.Add(&bounce.Record{Delivery: *d, Verdict: judge.Verdict(d), To: to})
}

// domain returns the index of a domain in the batch.
func (b *batcher) domain(s string) uint32 {
	n, known := b.domainIndex[s]
	if !known {
		s = strings.Clone(s) // a substring pins the block of the log
		n = uint32(len(b.batch.Domains))
		b.batch.Domains = append(b.batch.Domains, s)
		b.domainIndex[s] = n
	}
	return n
}

// seal ends the batch and returns it for the saver. If the batch does not end the
// transaction, its positions and gaps go to the next batch: they are valid only
// together with the state of the queue and the parsers, which is expensive to write.
func (b *batcher) seal(commit bool) (*bounce.Batch, error) {
	sealed := b.batch
	sealed.Providers = b.providers.slugs
	b.batch = b.emptyBatch()
	clear(b.domainIndex)
	if !commit {
		b.batch.Positions, b.batch.Gaps = sealed.Positions, sealed.Gaps
		sealed.Positions, sealed.Gaps = nil, nil
		return &sealed, nil
	}
	clear(b.positionIndex)
	var err error
	if sealed.Queue, err = b.p.Queue.Changes(); err != nil {
		return nil, err
	}
	for i := range sealed.Positions {
		at := &sealed.Positions[i]
		parser := b.parsers[at.Stream]
		at.Parser = bounce.ParserState{Anchor: b.parsed[at.Stream].Anchor, Data: parser.State()}
		if b.p.Hash != nil {
			at.Parser.Data = b.p.Hash.Seal(at.Parser.Data) // it may contain a part of a line
		}
		unparsed := parser.TakeUnparsed()
		for _, u := range unparsed {
			b.p.Progress.Unparsed.Add(int64(u.Count))
			b.logUnparsed(&u, at.Path)
		}
		sealed.Unparsed = append(sealed.Unparsed, unparsed...)
		if at.Closed {
			delete(b.parsers, at.Stream) // the stream may continue if a file with its content is found
			b.parsed[at.Stream] = at.Parser
		}
	}
	return &sealed, nil
}

// emptyBatch returns an empty batch. It reuses the memory of a saved batch if there
// is one, or allocates as much as the batch before it has: batches of an import have
// megabytes.
func (b *batcher) emptyBatch() bounce.Batch {
	select {
	case saved := <-b.saved:
		saved.Records.Reset()
		return bounce.Batch{Records: saved.Records, Successes: saved.Successes[:0]}
	default:
	}
	if b.p.Limits.FlushInterval == 0 { // batches are small
		return bounce.Batch{}
	}
	return bounce.Batch{Records: b.batch.Records.Like(), Successes: make([]bounce.Success, 0, len(b.batch.Successes))}
}

// logUnparsed logs each shape of unparsed delivery lines or refused journal entries
// once. It does not log the lines, which contain addresses. The summary of an import
// lists the shapes.
func (b *batcher) logUnparsed(u *bounce.Unparsed, path string) {
	what, next := "delivery lines not parsed", "see bouncetail unclassified and the table unparsed_lines"
	if u.Refused {
		what, next = "journal entries refused: not written by the mail server", "see journal_uids in the settings and the table unparsed_lines"
	}
	b.warnOnce(what, string(u.MTA)+u.Shape, "log", path, "mta", u.MTA, "lines", u.Count, "shape", u.Shape, "next", next)
}

// maxWarnings limits the number of warnings about lines, because parts of a log are
// written by remote hosts.
const maxWarnings = 50

// warnOnce logs a warning about lines once for each key, and not in an import.
func (b *batcher) warnOnce(what, key string, details ...any) {
	key = what + key
	if b.p.Log == nil || b.p.Limits.FlushInterval != 0 || b.logged[key] || len(b.logged) >= maxWarnings {
		return
	}
	b.logged[key] = true
	b.p.Log.Warn(what, details...) //nolint:sloglint // callers pass constants
}
