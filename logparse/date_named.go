package logparse

import (
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Dates with the name of a month.

// dateWords join the parts of a date.
//
//	19 de nov. de 2026 12:34:56   Donnerstag, 19. November 2026 um 12:34:56   quinta-feira, 19 de novembro de 2026 às 12:34:56
//	19 ноября 2026 г., 12:34:56   2026 m. lapkričio 19 d. 12:34:56   November 19, 2026 at 12:34:56 PM
var dateWords = makeSet("de del di of feira г р года m d gada at um om kl klo kello à às a alle ore las o у о в u v plkst på thg")

var zoneInBrackets = lazyre.New(`^ \([A-Z][A-Za-z ]{1,50}\)`)

// maxDateParts bounds the words of a date, its clock and its zone.
const maxDateParts = 12

// cutNamed reads a date with the name of the month, whose parts may stand in
// any order, with or without a year, a weekday and a zone.
func (s *stamp) cutNamed(text string) (string, bool) {
	numbered := false            // the number of the month follows
	clock, early := false, false // early: the clock came first, and may be that of a terminal or a chat
	for n := range maxDateParts {
		rest := strings.TrimLeft(text, " \t")
		part, after := cutDatePart(rest)
		digits, tail := leadingDigits(part)
		month, orEarlier := 0, false
		if digits == "" {
			month, orEarlier = monthOf(part)
		}
		switch {
		case part == "":
			if s.zoned { // GMT+0100 (Central European Standard Time), as JavaScript prints it
				text = text[len(zoneInBrackets.FindString(text)):]
			}
			return text, s.named(clock)
		case (!clock || early && s.named(clock)) && (len(digits) == 1 || len(digits) == 2) && strings.HasPrefix(tail, ":"):
			var ok bool
			early, s.nsec = n == 0, 0
			if after, ok = s.cutClockAnd(rest); !ok {
				return "", false
			}
			clock = true
		case numbered && (len(digits) == 1 || len(digits) == 2) && tail == "":
			s.month, numbered = time.Month(number(digits)), false
		case s.day == 0 && (len(digits) == 1 || len(digits) == 2) && (tail == "" || tail == "." || tail == "日" || tail == "일"):
			s.day = number(digits)
		case s.month == 0 && (len(digits) == 1 || len(digits) == 2) && (tail == "月" || tail == "월"):
			s.month = time.Month(number(digits))
		case s.year == 0 && len(digits) == 4 && (tail == "" || tail == "." || tail == "年" || tail == "년") && 1990 <= number(digits) && number(digits) < 2100 && s.yearFits(clock):
			s.year = number(digits)
		case month > 0 && s.month == 0:
			s.month, s.orEarlier = time.Month(month), orEarlier
		case month > 0 && s.month == time.March && !clock: // "mar." is Tuesday in French
			s.month, s.orEarlier = time.Month(month), orEarlier
		case n == 0 && isWeekday(part), part != "" && part[0] >= 0x80 && !clock && isWeekday(part), part == "@" && !clock && s.day != 0: // Nov 23, 2026 @ 12:57:36.123
		case clock && !s.zoned && s.named(clock) && (s.setZone(part) || part == "Uhr"):
		case s.month == 0 && isMonthWord(part): // Thg 11 23
			numbered = true
		case n > 0 && !clock && dateWords[strings.ToLower(strings.TrimRight(part, "."))]:
		default:
			return text, s.named(clock)
		}
		text = after
	}
	return text, s.named(clock)
}

// yearFits reports whether a number of four digits may be the year here: in
// front of the clock it always may, behind it only where the date is complete.
func (s *stamp) yearFits(clock bool) bool { return !clock || s.month != 0 && s.day != 0 }

// named reports whether all parts were found that a stamp must have.
func (s *stamp) named(clock bool) bool {
	return clock && 1 <= s.month && s.month <= 12 && 1 <= s.day && s.day <= 31
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
	case hasAnyPrefix(tail, dateMarks[:]...): // 2026年11月23日
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
