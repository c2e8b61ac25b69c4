// Package logparse turns the lines of mail logs into bounce.Event values.
//
// Parser.Line reads a line in this order. Each step is for what the steps before it
// do not know, and they end as soon as the line is read:
//
//  1. The header has the time, the host and the program. cache.go knows how the last
//     lines began, header.go cuts usual headers off (stamp.go), with what a container's
//     runtime put around the line.
//  2. layout.go knows the layout of the last unusual header. unusual.go reads others
//     from the left, part by part: stamps (date.go, date_named.go, months.go), names and
//     levels (parts.go, words.go), tags (tag.go, beginning.go), objects (object.go,
//     fieldnames.go, json.go, nested.go), tables (table.go).
//  3. The grammar of the program's MTA reads the rest: postfix.go, exim.go, sendmail.go,
//     opensmtpd.go, declared as regular expressions with the real lines above them. A
//     literal test turns away the lines that cannot match before any expression runs, and
//     postfix_fast.go and exim_fast.go read the usual ones without expressions. What the
//     MTAs share, a remote server's reply, is in reply.go.
//  4. A part of an entry waits for the others: export.go and multiline.go (journals and
//     objects), fragments.go (Exim in syslog), runtime.go (containers), supervised.go, and
//     broken.go for lines that a terminal or a page broke.
//  5. copies.go undoes what pages and forums change in a line.
//  6. lost.go and lost_fields.go look for a delivery in what is left. It is counted with an
//     example (unparsed.go), unless the line quotes it (quotation.go).
//
// The year of a stamp without one comes from clock.go and anchor.go. trust.go decides
// whose entries of the journal count.
//
// To read another MTA, write a file with the functions of an entry of the table
// grammars, and add how its lines begin to tagOf (beginning.go) and findDelivery
// (lost.go). CONTRIBUTING.md has every step.
package logparse

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
)

// result is what kind of line a grammar found. It returns it in addition to the event.
type result uint8

const (
	resultOther    result = iota // about something else
	resultRead                   // an event was filled in
	resultUnparsed               // a delivery line in a form that is not known
	resultCut                    // an event was filled in, and the next lines may complete it (broken.go)
)

// grammar is what one MTA writes.
type grammar struct {
	mta bounce.MTA
	// claims reports whether lines with a tag may be this MTA's.
	claims func(tag string) bool
	// untagged reports that lines with Exim's stamp and without a tag are this MTA's.
	untagged bool
	// parse fills the event from what follows the header. It clears it first,
	// but not for the lines that its literal test turns away.
	parse func(h *header, ev *bounce.Event) result
	// loses reports whether a line of this MTA that parse takes for something else holds
	// a delivery, because it is damaged or has an unknown form. Such lines are counted.
	loses func(h *header) bool
	// programs are the executables that may log under this MTA's name; see trust.go.
	programs []string
}

// grammars has the MTAs in the order of bounce.MTAs. The first that claims a line reads
// it. It is filled by init, because functions in it use it through isServerTag.
var grammars []grammar

func init() {
	grammars = []grammar{
		{bounce.Postfix, claimsPostfix, false, parsePostfix, losesPostfix, postfixPrograms},
		{bounce.Exim, claimsExim, true, parseExim, losesExim, eximPrograms},
		{bounce.Sendmail, claimsSendmail, false, parseSendmail, losesSendmail, sendmailPrograms},
		{bounce.OpenSMTPD, claimsOpenSMTPD, false, parseOpenSMTPD, losesOpenSMTPD, opensmtpdPrograms},
	}
}

// Options say how to read a stream.
type Options struct {
	// MTA is whose log it is; empty tells them apart line by line.
	MTA bounce.MTA
	// Zone is for stamps that name none; nil is time.Local.
	Zone *time.Location
	// Anchor is a time near the first stamp, for stamps without a year.
	Anchor time.Time
	// Now is for those as well: no line is of the future. nil is time.Now.
	Now func() time.Time
	// State is what State of an earlier parser of the same stream gave.
	State []byte
	// JournalUIDs are users whose journal entries are trusted, in addition to root
	// and the system users that run the MTA's programs.
	JournalUIDs []int
	// Hide takes addresses out of the examples of lines that are not
	// understood; nil leaves them.
	Hide func(line string) string
}

// Parser reads the lines of one stream. It is not safe for concurrent use.
type Parser struct {
	grammars      []grammar
	postfix       bool // its grammar is among them
	zone          *time.Location
	now           func() time.Time
	hide          func(line string) string
	journalUIDs   []int
	last          time.Time   // the last stamp, which tells the year of the next
	newest        time.Time   // the highest stamp
	read          bool        // last is a stamp, and not the anchor
	cache         prefixCache // of the last lines
	layouts       [4]layout   // of the last lines that had one
	nextLayout    int         // of layouts: the one to replace
	hostRaw, host string      // of the last line, as logged and cleaned
	hour          hourOf      // of the last stamp
	hourStart     time.Time
	timed         stamp     // the last one
	second        time.Time // of timed
	seconds       uint32    // of timed, see stamp.seconds
	unparsed      map[shape]*bounce.Unparsed
	counts        Counts
	pieces        map[string]*fragments // of lines that came in several, by host and process, or stream of a container
	header        header                // of the line that is read, used again
	unusual       header                // the same for lines with unusual headers
	keys          fieldKeys             // of the last object
	export        *exportEntry          // that is being read
	supervised    supervised            // the line of Supervisor before
	cut           uint8                 // streams of a container whose last line goes on, see continues
	event         bounce.Event          // handed to yield, and used again
	parted        bool                  // the line is a part of a broken one that could not be read
	joining       bool                  // the line was put together from the parts of a broken one
	restoring     bool                  // the line is a restored copy: if it cannot be read, the original is counted
}

type shape struct {
	mta  bounce.MTA
	text string
}

// Counts holds what a parser has seen.
type Counts struct {
	Lines      int
	Recognised int // lines with a mail server's header
	Unparsed   int // delivery lines that could not be parsed
}

// state is the JSON of State.
type state struct {
	Last       time.Time             `json:"last"`
	Newest     time.Time             `json:"newest,omitzero"` // if it is after Last
	Pieces     map[string]*fragments `json:"pieces,omitempty"`
	Export     *exportEntry          `json:"export,omitempty"`
	Cut        uint8                 `json:"cut,omitempty"`
	Supervised supervised            `json:"supervised,omitzero"`
}

// New returns a parser for one stream. A State that cannot be read is an
// error, and so is an MTA without a grammar.
func New(o Options) (*Parser, error) {
	p := &Parser{grammars: grammars, zone: o.Zone, hide: o.Hide, journalUIDs: o.JournalUIDs, last: o.Anchor, unparsed: make(map[shape]*bounce.Unparsed)}
	if o.MTA != "" {
		i := slices.IndexFunc(grammars, func(g grammar) bool { return g.mta == o.MTA })
		if i < 0 {
			return nil, fmt.Errorf("no parser for the MTA %q; known are %s", o.MTA, strings.Join(bounce.MTAs, ", "))
		}
		p.grammars = grammars[i : i+1]
	}
	p.postfix = p.grammars[0].mta == bounce.Postfix
	if p.zone == nil {
		p.zone = time.Local
	}
	if p.now = o.Now; p.now == nil {
		p.now = time.Now
	}
	if len(o.State) > 0 {
		var s state
		if err := json.Unmarshal(o.State, &s); err != nil {
			return nil, fmt.Errorf("state of a parser: %w", err)
		}
		p.last, p.newest, p.read, p.pieces, p.export = s.Last, s.Last, !s.Last.IsZero(), s.Pieces, s.Export
		p.cut, p.supervised = s.Cut, s.Supervised
		if s.Newest.After(s.Last) {
			p.newest = s.Newest
		}
	}
	return p, nil
}

// State returns what a parser of the same stream needs to go on.
func (p *Parser) State() []byte {
	if p.last.IsZero() && len(p.pieces) == 0 && p.export == nil && p.cut == 0 && p.supervised == (supervised{}) {
		return nil
	}
	s := state{Last: p.last, Pieces: p.pieces, Export: p.export, Cut: p.cut, Supervised: p.supervised}
	if p.newest.After(p.last) {
		s.Newest = p.newest
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil // a time beyond the year 9999: nothing worth keeping
	}
	return data
}

// LastLine returns the time of the last line that a parser had read when it returned
// a State, or the zero time.
func LastLine(data []byte) time.Time {
	var s state
	if json.Unmarshal(data, &s) != nil {
		return time.Time{} // no line yet
	}
	return s.Last
}

// Counts returns what was seen since New.
func (p *Parser) Counts() Counts { return p.counts }

// minLines is how many lines of a log show whether it is that of a mail server.
const minLines = 100

// Foreign reports whether at least a hundred lines were read and none of them is
// that of a mail server.
func (p *Parser) Foreign() bool {
	return p.counts.Lines >= minLines && p.counts.Recognised+p.counts.Unparsed == 0
}

// TakeUnparsed returns and forgets the delivery lines that were not parsed.
func (p *Parser) TakeUnparsed() []bounce.Unparsed {
	var all []bounce.Unparsed
	for _, u := range p.unparsed {
		all = append(all, *u)
	}
	clear(p.unparsed)
	slices.SortFunc(all, func(a, b bounce.Unparsed) int { return strings.Compare(a.Shape, b.Shape) })
	return all
}

// Parse reads the whole lines in text, each with its newline, calls yield for
// each event, in order, and returns how many lines there were, and how many delivery
// lines among them could not be parsed. An event is only valid during the call, which
// may change it, and its strings lie in the block. The parser keeps no part of it.
func (p *Parser) Parse(text string, yield func(*bounce.Event)) (lines, unparsed int) {
	block := text
	before := p.counts
	for len(block) > 0 {
		line := block
		if end := strings.IndexByte(block, '\n'); end >= 0 {
			line, block = block[:end], block[end+1:]
		} else {
			block = ""
		}
		p.Line(line, yield)
	}
	return p.counts.Lines - before.Lines, p.counts.Unparsed - before.Unparsed
}

// End reads an entry that waits for further lines, at the end of an import, and
// reports whether there was one. A log that can grow keeps the pieces of its lines; of
// one that is complete they are counted.
func (p *Parser) End(complete bool, yield func(*bounce.Event)) bool {
	waited := p.export != nil || complete && len(p.pieces) > 0
	p.endExport(yield)
	if complete {
		for key := range p.pieces {
			p.dropPiece(key)
		}
	}
	return waited
}

// longest is how long the words of a mail server are at most. Postfix cuts them at
// 2,000 bytes, Exim at 8,192. Longer ones are not parsed, only counted.
const longest = 32 << 10

// Line reads one line without its newline.
func (p *Parser) Line(line string, yield func(*bounce.Event)) {
	p.counts.Lines++
	if p.export != nil {
		// Before all else: a value may hold lines that look like those of a log.
		if p.readExport(line, yield) {
			return
		}
		p.endExport(yield)
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	h := &p.header
	text, outer := line, ""
	rest, known := p.cache.cut(line, h)
	if !known {
		if text, outer = unwrap(line); outer != "" {
			if p.continues(line, text, yield) {
				return
			}
			rest, known = p.cache.cut(text, h)
		}
	}
	if known && p.postfix && isSMTPServer(rest) {
		p.counts.Recognised++
		return
	}
	if outer != "" && line[0] == '{' {
		// The known beginning is as long without escapes: it has none.
		text = decodeLine(text)
		if known {
			rest, known = p.cache.cut(text, h)
		}
	}
	switch {
	case !known:
		p.cache.forget()
		if p.readByLayout(unwrapped{text, outer}, line, yield) {
			return
		}
		*h = header{}
		if !cutHeader(text, h) {
			p.readUnusual(line, yield)
			return
		}
		p.cache.learn(text, h)
	case !p.cache.cutRest(rest, h):
		if !p.readByLayout(unwrapped{text, outer}, line, yield) {
			p.readUnusual(line, yield)
		}
		return
	}
	h.outer = outer
	if !p.finish(h, line, yield) && mayBeWrapped(h) && !p.readByLayout(unwrapped{text, outer}, line, yield) {
		p.readUnusual(line, yield)
	}
}

// finish reads what follows a header. It returns false if that is not of a mail
// server's, although the header may be another line's around a mail server's.
func (p *Parser) finish(h *header, line string, yield func(*bounce.Event)) bool {
	for i := range p.grammars {
		g := &p.grammars[i]
		if !(g.untagged && h.stamp.exim) && !g.claims(h.tag) {
			continue
		}
		if !h.writer.trusted(g, p.journalUIDs) {
			p.counts.Recognised++
			if result := g.parse(h, &p.event); result >= resultUnparsed || result == resultRead && (p.event.Kind == bounce.EventAttempt || p.event.Kind == bounce.EventGaveUp) {
				p.noteRefused(g.mta, h, unparsedID(h, line))
			}
			return true
		}
		if len(h.body) > 0 && h.body[0] == '[' {
			if !p.join(h) {
				p.counts.Recognised++
				return true
			}
			cutOwnStamp(h)
			h.body = h.body[len(bracketed.FindString(h.body)):]
		}
		if len(h.body) > longest {
			if _, found := findDelivery(h.body); found {
				p.noteUnparsed(g.mta, h.body[:longest], unparsedID(h, line))
			}
			p.counts.Recognised++
			return true
		}
		h.trim()
		result := g.parse(h, &p.event)
		if result != resultRead && h.cutFiller() {
			result = g.parse(h, &p.event)
		}
		if result == resultRead && p.event.Kind == bounce.EventAttempt && !isRecipient(p.event.Recipient) {
			result = resultUnparsed
		}
		if result == resultOther && !g.losesDelivery(h) {
			final := isFinal(h) // readCopy uses the header again
			if strings.IndexByte(h.body, '&') >= 0 && strings.Contains(h.body, "&lt;") && p.readCopy(line, yield) {
				return true
			}
			if !final {
				return false
			}
			if p.holdBegun(g.mta, h, line) {
				return true
			}
		} else if result == resultRead {
			p.yield(h, line, yield)
		} else if (result == resultCut || g.mta != bounce.Exim || eximUndecided.MatchString(h.body)) && p.holdBroken(g.mta, h, line) {
			return true
		} else if result == resultCut && !p.joining {
			p.yield(h, line, yield)
		} else {
			body, id := h.body, unparsedID(h, line)
			if p.readCopy(line, yield) {
				return true
			}
			p.noteUnparsed(g.mta, body, id)
		}
		p.counts.Recognised++
		return true
	}
	return false
}

// isFinal reports whether a header is a mail server's, whatever follows: no
// other header can begin behind it. Postfix's programs have names of their own.
// A container may bear the name of a server, and many programs write stamps like
// Exim's.
func isFinal(h *header) bool {
	if strings.HasPrefix(h.tag, "postfix/") || isDaemonTag(h.tag) {
		return true
	}
	return isServerTag(h.tag) && !beginsLine(h.body) && !beginsWithTag(h.body) || h.tag == "" && eximWords(h.body)
}

// yield completes an event and hands it on.
func (p *Parser) yield(h *header, line string, yield func(*bounce.Event)) {
	ev := &p.event
	h.completeByOuter()
	ev.At = p.at(h)
	ev.Host = p.hostName(h.host)
	if ev.Kind == bounce.EventMessage || ev.Kind == bounce.EventRemoved {
		yield(ev) // of which nothing is stored under an id
		return
	}
	line = h.identity(line)
	if ev.Outcome == bounce.Sent {
		ev.ID = bounce.NewSuccessID(p.seconds, xxhash.Sum64String(line))
	} else {
		ev.ID = bounce.NewEventID(p.seconds, line)
	}
	if len(h.others) == 0 {
		yield(ev)
	} else {
		p.yieldEach(h.others, yield)
	}
}

// yieldEach yields the event for its recipient and for others. What takes it may
// change it.
func (p *Parser) yieldEach(others []string, yield func(*bounce.Event)) {
	first := p.event
	yield(&p.event)
	for _, to := range others {
		p.event = first
		p.event.ID, p.event.Recipient = first.ID.ForRecipient(to), to
		yield(&p.event)
	}
}

// hostName returns the name of the host, which is nearly always that of the
// line before.
func (p *Parser) hostName(raw string) string {
	if raw != p.hostRaw {
		p.hostRaw = strings.Clone(raw)
		p.host = clean(p.hostRaw)
	}
	return p.host
}
