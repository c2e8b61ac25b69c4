// Package logparse turns the lines of mail logs into bounce.Event values.
//
// Read line.go first. It has the way of a line to an event:
//
//	Line ─ cache.cut, cutHeader ─▶ header ─ finish, grammar.parse ─▶ event ─ yield ─▶
//	  ├─ readByLayout ────────────▶ header ─ finish …      as one of the last lines
//	  └─ readUnusual, unusual.read ▶ header ─ finish …     part by part
//	       └─ findDelivery ─▶ counted, if the line holds a delivery
//
// Each step is for what the steps before it do not know, and they end as soon as the line
// is read:
//
//  1. The header has the time, the host and the program. cache.go knows how the last
//     lines began, header.go cuts usual headers off (stamp.go, zone.go), runtime.go what
//     a container's runtime put around the line.
//  2. layout.go knows the layout of the last unusual header. unusual.go reads others
//     from the left, part by part: stamps (date.go, date_named.go, months.go), names and
//     levels (parts.go, words.go), tags (tag.go, beginning.go), objects (object.go,
//     object_names.go, json.go, nested.go), pairs (pairs.go, cef.go), tables (table.go).
//  3. The grammar of the program's MTA reads the rest: postfix.go, exim.go, sendmail.go,
//     opensmtpd.go, declared as regular expressions (match.go) with the real lines above
//     them. A literal test turns away the lines that cannot match before any expression
//     runs, and postfix_fast.go and exim_fast.go read the usual ones without expressions.
//     What the MTAs share, a server and its reply, is in relay.go and reply.go.
//  4. A part of an entry waits for the others: export.go and multiline.go (journals and
//     objects), fragments.go (Exim in syslog), runtime.go (containers), supervised.go, and
//     broken.go for lines that a terminal or a page broke.
//  5. copies.go undoes what pages and forums change in a line.
//  6. A line that holds a delivery and is not read is counted with an example
//     (unparsed.go). lost.go finds deliveries in what a grammar takes for something else,
//     find.go and find_fields.go in a line with an unknown header, unless the line quotes
//     it (quotation.go).
//
// scan.go has what all of them use to read numbers, words and quotes. The year of a stamp
// without one comes from clock.go and anchor.go. trust.go decides whose entries of the
// journal count. state.go saves what a parser needs to go on.
//
// To read another MTA, write a file with the functions of an entry of the table
// grammars, and add how its lines begin to tagOf (beginning.go) and findDelivery
// (find.go). CONTRIBUTING.md has every step.
package logparse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// result is what kind of line a grammar found. It returns it in addition to the event.
type result uint8

const (
	resultOther    result = iota // about something else
	resultRead                   // an event was filled in
	resultUnparsed               // a delivery line in a form that is not known
	resultCut                    // an event was filled in, and the next lines may complete it (broken.go)
	resultDone                   // the line was counted, or waits for others; only of parseBody
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

// New returns a parser for one stream. A State that cannot be read is an
// error, and so is an MTA without a grammar.
func New(o Options) (*Parser, error) {
	p := &Parser{
		grammars: grammars, zone: o.Zone, hide: o.Hide, journalUIDs: o.JournalUIDs, last: o.Anchor,
		unparsed: make(map[shape]*bounce.Unparsed),
	}
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
		if err := p.restore(o.State); err != nil {
			return nil, err
		}
	}
	return p, nil
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
