package logparse

import (
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Dates with the name of a month.

// dateWords join the parts of a date.
//
//	19 de nov. de 2026 12:34:56   Donnerstag, 19. November 2026 um 12:34:56   quinta-feira, 19 de novembro de 2026 às 12:34:56
//	19 ноября 2026 г., 12:34:56   2026 m. lapkričio 19 d. 12:34:56   November 19, 2026 at 12:34:56 PM
var dateWords = makeSet(`de del di of feira г р года m d gada at um om kl klo kello à às a alle ore las o у о в u v plkst
	på thg`)

var zoneInBrackets = lazyre.New(`^ \([A-Z][A-Za-z ]{1,50}\)`)

// maxDateParts bounds the words of a date, its clock and its zone.
const maxDateParts = 12

// namedDate is what was read of a date with the name of a month.
type namedDate struct {
	*stamp
	clock    bool // the clock was read
	early    bool // it came first, and may be that of a terminal or a chat
	numbered bool // the number of the month follows
}

// cutNamed reads a date with the name of the month, whose parts may stand in
// any order, with or without a year, a weekday and a zone.
func (s *stamp) cutNamed(text string) (string, bool) {
	d := namedDate{stamp: s}
	for n := range maxDateParts {
		rest := strings.TrimLeft(text, " \t")
		part, after := cutDatePart(rest)
		if part == "" {
			if s.zoned { // GMT+0100 (Central European Standard Time), as JavaScript prints it
				text = text[len(zoneInBrackets.FindString(text)):]
			}
			break
		}
		digits, unit := leadingDigits(part)
		switch {
		case d.beginsClock(digits, unit):
			var ok bool
			d.clock, d.early, s.nsec = true, n == 0, 0
			if after, ok = s.cutClockAnd(rest); !ok {
				return "", false
			}
		case digits != "" && d.takeNumber(digits, unit), digits == "" && d.takeMonth(part), d.takeWord(part, n == 0):
		default:
			return text, d.complete()
		}
		text = after
	}
	return text, d.complete()
}

// complete reports whether all parts were found that a stamp must have.
func (d *namedDate) complete() bool {
	return d.clock && 1 <= d.month && d.month <= 12 && 1 <= d.day && d.day <= 31
}

// beginsClock reports whether a number is the hour of a clock, or of one behind the
// clock of a terminal.
func (d *namedDate) beginsClock(digits, unit string) bool {
	return len(digits) >= 1 && len(digits) <= 2 && strings.HasPrefix(unit, ":") && (!d.clock || d.early && d.complete())
}

// takeNumber takes the day, the year or the number of a month, with what follows it.
func (d *namedDate) takeNumber(digits, unit string) bool {
	n, short := number(digits), len(digits) <= 2
	switch {
	case short && d.numbered && unit == "":
		d.month, d.numbered = time.Month(n), false
	case short && d.day == 0 && dayUnits[unit]:
		d.day = n
	case short && d.month == 0 && monthUnits[unit]:
		d.month = time.Month(n)
	case len(digits) == 4 && d.year == 0 && yearUnits[unit] && isYear(n) && d.yearFits():
		d.year = n
	default:
		return false
	}
	return true
}

// What may follow the numbers of a date.
var (
	dayUnits   = map[string]bool{"": true, ".": true, "日": true, "일": true}
	monthUnits = map[string]bool{"月": true, "월": true}
	yearUnits  = map[string]bool{"": true, ".": true, "年": true, "년": true}
)

// yearFits reports whether a number of four digits may be the year here: in
// front of the clock it always may, behind it only where the date is complete.
func (d *namedDate) yearFits() bool { return !d.clock || d.month != 0 && d.day != 0 }

// takeMonth takes the name of the month.
func (d *namedDate) takeMonth(part string) bool {
	month, orEarlier := monthOf(part)
	if month == 0 || d.month != 0 && (d.month != time.March || d.clock) { // "mar." is Tuesday in French
		return false
	}
	d.month, d.orEarlier = time.Month(month), orEarlier
	return true
}

// takeWord takes a weekday, a zone, or a word that joins the parts of a date.
func (d *namedDate) takeWord(part string, first bool) bool {
	switch {
	case isWeekday(part) && (first || part[0] >= 0x80 && !d.clock):
		return true
	case d.clock && !d.zoned && d.complete() && (d.setZone(part) || part == "Uhr"):
		return true
	case d.month == 0 && isMonthWord(part): // Thg 11 23
		d.numbered = true
		return true
	case d.clock:
		return false
	}
	return part == "@" && d.day != 0 || // Nov 23, 2026 @ 12:57:36.123
		!first && dateWords[strings.ToLower(strings.TrimRight(part, "."))]
}

// dateMarks follow the year, the month and the day in East Asian dates. All have the
// same length.
var dateMarks = [...]string{"年", "년", "月", "월", "日", "일"}

// cutDatePart cuts the next word of a date off: it ends at a space, a comma, a
// bracket, a slash or hyphen between the parts of a date, or behind a number and one
// of dateMarks.
func cutDatePart(text string) (part, rest string) {
	end := strings.IndexAny(text[:min(len(text), maxName)], " \t,;|\"[]()/")
	if end < 0 {
		end = min(len(text), maxName)
	}
	part, rest = text[:end], text[end:]
	if at := strings.IndexByte(part, '-'); at > 0 && at <= 12 && part[at-1] != ':' { // 23-Nov-2026
		part, rest = text[:at], text[at+1:]
		return part, rest
	}
	switch digits, tail := leadingDigits(part); {
	case digits == "" || tail == "":
	case len(digits) == 4 && tail[0] == ':': // 23/Nov/2026:12:57:36
		return digits, text[len(digits)+1:]
	case oneof.HasPrefix(tail, dateMarks[:]...): // 2026年11月23日
		end := len(digits) + len(dateMarks[0])
		return text[:end], text[end:]
	}
	if !strings.HasPrefix(part, "+") {
		if at := strings.LastIndexByte(part, ':'); at == len(part)-1 && at > 0 { // "12:57:36:"
			part, rest = part[:at], text[at:]
		}
	}
	if len(rest) > 1 && (rest[0] == '/' || rest[0] == ',') {
		rest = rest[1:]
	}
	return part, rest
}
