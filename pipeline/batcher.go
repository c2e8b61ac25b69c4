package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// batcher makes the deliveries of a batch from chunks, and holds what else belongs to
// it.
type batcher struct {
	p             *Pipeline
	parsers       map[int64]Parser // by stream
	parsed        map[int64]bounce.ParserState
	deliveries    deliveries                // since the last call of takeDeliveries
	failed, sent  int                       // deliveries in the batch
	unparsed      int                       // lines in the batch
	rest          bounce.Batch              // without records and successes, which the judge adds
	positionIndex map[int64]int             // in rest.Positions, by stream
	last          map[int64]bounce.Position // of the streams of an import
	hashed        bounce.Event              // reused for each event
	free          <-chan deliveries
	logged        map[string]bool // what logUnparsed has logged
}

func newBatcher(p *Pipeline, free <-chan deliveries) *batcher {
	b := &batcher{
		p: p, parsers: make(map[int64]Parser), parsed: make(map[int64]bounce.ParserState),
		positionIndex: make(map[int64]int), last: make(map[int64]bounce.Position), free: free, logged: make(map[string]bool),
	}
	maps.Copy(b.parsed, p.Parsed)
	return b
}

// records returns the weighted number of records in the batch.
func (b *batcher) records() int { return max(b.failed, (b.sent+b.unparsed)/successWeight) }

// takeDeliveries returns the deliveries that were added since the last call.
func (b *batcher) takeDeliveries() deliveries {
	taken := b.deliveries
	b.p.Progress.Sent.Add(int64(len(taken.sent)))
	b.deliveries = deliveries{}
	select {
	case b.deliveries = <-b.free:
	default:
	}
	b.deliveries.texts.Grow(taken.texts.Len()) // chunks are alike
	return taken
}

// add adds a delivery to the batch.
func (b *batcher) add(d *bounce.Delivery) {
	switch d.Outcome {
	case bounce.Sent:
		b.sent++
	case bounce.Deferred:
		b.p.Progress.Deferred.Add(1)
		b.failed++
	case bounce.Bounced:
		b.p.Progress.Bounced.Add(1)
		b.failed++
	case bounce.Expired:
		b.p.Progress.Expired.Add(1)
		b.failed++
	}
	b.deliveries.add(d)
}

// take adds the content of a chunk to the batch.
func (b *batcher) take(c *bounce.Chunk) error {
	parser, err := b.parser(c)
	if err != nil {
		return err
	}
	if len(c.Data) > 0 {
		lines, unparsed := parser.Parse(c.Data, b.apply())
		b.unparsed += unparsed
		b.p.Progress.Lines.Add(int64(lines))
		b.countReading(c, lines)
		if parser.Foreign() {
			b.warnOnce("no line of a mail server in the first hundred lines", c.Position.Path, "log", c.Position.Path, "next", "is it the log of the mail server? see bouncetail doctor")
		}
	}
	if c.Release != nil {
		c.Release() // all that is kept of the chunk was copied
	}
	if b.p.Limits.FlushInterval > 0 { // an import
		b.last[c.Position.Stream] = c.Position
		if c.Position.Closed {
			parser.End(true, b.apply())
		}
	}
	b.setPosition(c.Position)
	if len(c.Gaps) > 0 {
		b.rest.Gaps = append(b.rest.Gaps, c.Gaps...)
		b.p.Progress.Gaps.Add(int64(len(c.Gaps)))
	}
	b.p.Progress.TooLong.Add(int64(c.TooLong))
	if c.Position.Stream > 0 { // the journal and pipes have negative numbers
		b.p.Progress.Chunks.Add(1)
	}
	return nil
}

// apply returns the function that takes the events of a parser.
func (b *batcher) apply() func(*bounce.Event) {
	add := b.add // a method value allocates each time
	if b.p.Hash == nil {
		return func(ev *bounce.Event) { b.p.Queue.Apply(ev, add) }
	}
	judge := b.p.Classifier()
	return func(ev *bounce.Event) { b.p.Queue.Apply(b.hash(ev, judge), add) }
}

// endAll ends the streams of an import that has read them all, and reports whether
// there is more to save.
func (b *batcher) endAll() bool {
	more := false
	for _, stream := range slices.Sorted(maps.Keys(b.parsers)) {
		if b.parsers[stream].End(false, b.apply()) {
			b.setPosition(b.last[stream])
			more = true
		}
	}
	return more
}

// setPosition makes a position that of its stream.
func (b *batcher) setPosition(at bounce.Position) {
	i, known := b.positionIndex[at.Stream]
	if !known {
		i = len(b.rest.Positions)
		b.positionIndex[at.Stream] = i
		b.rest.Positions = append(b.rest.Positions, bounce.StreamState{})
	}
	b.rest.Positions[i] = bounce.StreamState{Position: at}
}

// countReading notes how much was read of a source.
func (b *batcher) countReading(c *bounce.Chunk, lines int) {
	source := c.Position.Source
	if b.p.Limits.FlushInterval > 0 {
		source = bounce.ImportSource
	}
	i := slices.IndexFunc(b.rest.Read, func(r bounce.Reading) bool { return r.Source == source })
	if i < 0 {
		i = len(b.rest.Read)
		b.rest.Read = append(b.rest.Read, bounce.Reading{Source: source})
	}
	b.rest.Read[i].Lines += int64(lines)
	b.rest.Read[i].Bytes += int64(len(c.Data))
}

// release adds the successes that have been held back long enough, and reports
// whether there were any.
func (b *batcher) release(now time.Time) bool {
	before := b.sent
	b.p.Queue.Release(now, b.add)
	return b.sent > before
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

// seal ends the batch and returns it without records and successes. If it does not
// end the transaction, its positions and gaps go to the next batch: they are valid only
// together with the state of the queue and the parsers, which is expensive to write.
func (b *batcher) seal(commit bool) (*bounce.Batch, error) {
	b.failed, b.sent, b.unparsed = 0, 0, 0
	if !commit {
		return &bounce.Batch{}, nil
	}
	sealed := b.rest
	b.rest = bounce.Batch{}
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
			b.p.Progress.Unparsed.Add(int64(len(u.Lines)))
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

// logUnparsed logs each shape of unparsed delivery lines or refused journal entries
// once. It logs neither the lines, which contain addresses, nor the shapes, which contain
// those without a domain or with spaces. The summary of an import lists the lines.
func (b *batcher) logUnparsed(u *bounce.Unparsed, path string) {
	what, next := "delivery lines not parsed", "see bouncetail unclassified and the table unparsed_lines"
	if u.Refused {
		what, next = "journal entries refused: not written by the mail server", "see journal_uids in the settings and the table unparsed_lines"
	}
	b.warnOnce(what, string(u.MTA)+u.Shape, "log", path, "mta", u.MTA, "lines", len(u.Lines), "next", next)
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
