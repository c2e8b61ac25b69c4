package logparse

import (
	"strconv"
	"strings"
	"time"
)

// cutAny reads a stamp in any form that logs have off the front of a text. It
// is slower than stamp.cut, which reads the usual forms.
//
//	2026-11-23 12:57:36,123   2026/11/23T12:57:36.123+01:00   20261123T125736Z   23.11.2026 12:57:36
//	2026:11:23-12:57:36   20261123125736   2026年11月23日 12:57:36
//	23/Nov/2026:12:57:36 +0100   1795438656   1795438656.123
//	12:57:36 23/11/2026   12:57:36.123 2026-11-23   12:57:36 23.11.2026
//	Nov 3 12:57:36 2026   2026 Nov 23 12:57:36.123   Mon, 23 Nov 2026 12:57:36 +0000   nov. 23 12:57:36 CET
func (s *stamp) cutAny(text string) (rest string, ok bool) {
	if text == "" || !mayBeginDate(text) {
		return "", false
	}
	if !isDigit(text[0]) {
		if word, after := cutWord(text); isWeekday(word) {
			*s = stamp{}
			if rest, ok := s.cutNumeric(strings.TrimLeft(after, " ,")); ok && endsStamp(rest) {
				return rest, true
			}
		}
	}
	for form := range dateForms {
		*s = stamp{}
		if rest, ok := s.cutForm(form, text); ok && s.endsBefore(rest) {
			return rest, true
		}
	}
	return "", false
}

// dateForms is how many forms cutForm reads.
const dateForms = 5

// cutForm reads one form of a date. This is no list of functions, because the stamp
// would be moved to the heap.
func (s *stamp) cutForm(form int, text string) (rest string, ok bool) {
	switch form {
	case 0:
		return s.cutNumeric(text)
	case 1:
		return s.cutClockDate(text)
	case 2:
		return s.cutDigits(text)
	case 3:
		return s.cutNamed(text)
	}
	return s.cutTAI64N(text)
}

// mayBeginDate turns most texts that begin with a letter away by their first word.
func mayBeginDate(text string) bool {
	if c := text[0] | 0x20; c < 'a' || 'z' < c {
		return true
	}
	name, _ := cutDatePart(text)
	month, _ := monthOf(name)
	return month > 0 || isWeekday(name) || isMonthWord(name)
}

// endsBefore reports whether what follows a stamp may follow one.
func (s *stamp) endsBefore(rest string) bool {
	return endsStamp(rest) || s.zoned && s.year > 0 && beginsGlued(rest)
}

// beginsGlued reports whether a line or a tag follows a stamp without a space, as TrueNAS
// prints the logs of containers. It looks at the beginning only: the line may be a chain
// of such stamps.
//
//	2026-11-23 12:57:36.123456+00:00Nov 23 12:57:36 mx postfix/smtp[474]: …
func beginsGlued(rest string) bool {
	rest = rest[:min(len(rest), maxName)]
	return beginsLine(rest) || beginsWithTag(rest)
}

// endsStamp reports whether a stamp may end before rest.
func endsStamp(rest string) bool {
	return rest == "" || strings.IndexByte(" \t|,;:\"])", rest[0]) >= 0
}

// cutNumeric reads a date in numbers, a clock, and a zone.
func (s *stamp) cutNumeric(text string) (string, bool) {
	text, ok := s.cutDate(text)
	if !ok {
		return "", false
	}
	text = cutWeekday(text)
	if strings.HasPrefix(text, ", ") {
		text = text[1:]
	}
	if len(text) == 0 || strings.IndexByte("Tt _:-\t;,", text[0]) < 0 {
		return "", false
	}
	return s.cutTime(strings.TrimLeft(text[1:], " "))
}

// cutWeekday steps over a weekday or a word between a date and a clock.
//
//	23.11.2026 г. 12:57:36   23/11/2026 à 12:57:36
//	2026/11/23(月) 12:57:36   2026-11-23 Mon 12:57:36   2026. 11. 23. (월) 12:57:36
func cutWeekday(text string) string {
	after := strings.TrimLeft(text, " (")
	if after == "" || isDigit(after[0]) {
		return text
	}
	word, rest := cutWord(after)
	if !isWeekday(word) && !dateWords[strings.TrimRight(word, ".")] {
		return text
	}
	return strings.TrimPrefix(rest, ")")
}

// afterMark returns what follows the mark between two parts of a date, and the space
// behind a dot: "23. 11. 2026".
func afterMark(text string) string {
	if after, found := strings.CutPrefix(text, ". "); found {
		return after
	}
	return text[1:]
}

// cutClockDate reads a clock and a date in numbers. If another clock follows, the first
// is that of a terminal, and the date belongs to the second.
func (s *stamp) cutClockDate(text string) (string, bool) {
	if len(text) < len("1:57:36 ") || text[1] != ':' && text[2] != ':' {
		return "", false
	}
	rest, ok := s.cutClockAnd(text)
	rest = s.cutZoneWord(rest)
	if !ok || rest == "" || strings.IndexByte(" \t,", rest[0]) < 0 {
		return "", false
	}
	if rest, ok = s.cutDate(strings.TrimLeft(rest, " \t,")); !ok || s.month < 1 || s.month > 12 || s.day < 1 || s.day > 31 {
		return "", false
	}
	digits, mark := leadingDigits(strings.TrimLeft(rest, " \t,"))
	return rest, len(digits) != 2 || !strings.HasPrefix(mark, ":")
}

// cutDate reads a date in numbers.
func (s *stamp) cutDate(text string) (string, bool) {
	first, text := leadingDigits(text)
	if len(text) == 0 || strings.IndexByte("-/.:", text[0]) < 0 || text[0] == ':' && len(first) != 4 {
		return "", false
	}
	mark := text[0]
	second, text := leadingDigits(afterMark(text))
	if len(second) < 1 || len(second) > 2 || len(text) == 0 || text[0] != mark {
		return "", false
	}
	third, text := leadingDigits(afterMark(text))
	if mark == '.' {
		text = strings.TrimPrefix(text, ".")
	}
	year, month, day := third, second, first
	monthFirst := number(first) <= 12 && number(second) > 12
	switch {
	case len(first) == 4:
		year, month, day = first, second, third
	case monthFirst && (mark == '/' || mark == '-'): // 11/23/2026, 11-23-2026
		month, day = first, second
	case mark == '/' && number(first) <= 12 && first != second: // 11/10/2026 may be both
		return "", false
	}
	if len(year) != 4 || len(day) < 1 || len(day) > 2 || len(month) > 2 {
		return "", false
	}
	s.year, s.month, s.day = number(year), time.Month(number(month)), number(day)
	return text, true
}

// cutDigits reads 20261123T125736Z and seconds, milliseconds, microseconds or
// nanoseconds since 1970.
func (s *stamp) cutDigits(text string) (string, bool) {
	all, rest := leadingDigits(text)
	if all == "" && strings.HasPrefix(text, "@") {
		if all, rest = leadingDigits(text[1:]); len(all) != 10 {
			return "", false
		}
	}
	switch len(all) {
	case 14:
		s.year, s.month, s.day = number(all[:4]), time.Month(number(all[4:6])), number(all[6:8])
		rest, ok := s.cutTime(all[8:10] + ":" + all[10:12] + ":" + all[12:] + rest)
		return rest, ok && s.plausible()
	case 8:
		if len(rest) < 7 || strings.IndexByte("Tt -_", rest[0]) < 0 {
			return "", false
		}
		s.year, s.month, s.day = number(all[:4]), time.Month(number(all[4:6])), number(all[6:])
		clock, after := leadingDigits(rest[1:])
		if len(clock) != 6 {
			return s.cutTime(rest[1:])
		}
		return s.cutTime(clock[:2] + ":" + clock[2:4] + ":" + clock[4:] + after)
	case 10:
		nsec := 0
		if beginsFraction(rest) {
			nsec, rest = cutFraction(rest)
		}
		s.set(time.Unix(int64(number(all)), int64(nsec)))
		return rest, s.plausible()
	case 13, 16, 19:
		s.set(unixTime(int64(number(all))))
		return rest, s.plausible()
	}
	return "", false
}

// cutTAI64N reads "@4000000067447d5a1a2b3c4d", as multilog and s6-log write it: the
// seconds count from 2^62 and are 10 ahead of Unix time, the nanoseconds follow.
func (s *stamp) cutTAI64N(text string) (string, bool) {
	const length = 1 + 16 + 8
	if len(text) < length || text[:2] != "@4" {
		return "", false
	}
	seconds, err := strconv.ParseInt(text[1:17], 16, 64)
	nanoseconds, err2 := strconv.ParseInt(text[17:length], 16, 64)
	if err != nil || err2 != nil {
		return "", false
	}
	s.set(time.Unix(seconds-1<<62-10, nanoseconds))
	return text[length:], s.plausible()
}

// unixTime returns the time of a number of seconds, milliseconds, microseconds
// or nanoseconds since 1970, which its size distinguishes.
func unixTime(n int64) time.Time {
	switch {
	case n < 1e11:
		return time.Unix(n, 0)
	case n < 1e14:
		return time.UnixMilli(n)
	case n < 1e17:
		return time.UnixMicro(n)
	}
	return time.Unix(0, n)
}

func (s *stamp) plausible() bool { return isYear(s.year) }

// isYear reports whether a number may be the year of a line of a log.
func isYear(n int) bool { return 1990 <= n && n < 2100 }

// cutClockAnd reads a clock and its fraction, and leaves what follows.
func (s *stamp) cutClockAnd(text string) (string, bool) {
	if len(text) >= 7 && text[1] == ':' {
		text = "0" + text
	}
	if len(text) < 8 {
		return "", false
	}
	day := s.day
	s.day = max(s.day, 1)
	ok := s.cutClock(text[:8])
	s.day = day
	rest := text[8:]
	if beginsFraction(rest) {
		nsec, after := cutFraction(rest)
		if rest[0] == '.' || after == "" || after[0] != '.' && after[0] != ',' { // not a column: "12:57:36,192.0.2.7"
			s.nsec, rest = nsec, after
		}
	}
	if after, afternoon, found := cutHalf(rest); found && 1 <= s.hour && s.hour <= 12 {
		s.hour, rest = s.hour%12, after
		if afternoon {
			s.hour += 12
		}
	}
	if rest == "" || strings.IndexByte("Zz+-", rest[0]) < 0 {
		return rest, ok
	}
	if rest[0]|0x20 == 'z' {
		s.zoned = true
		return rest[1:], ok
	}
	offset, rest, found := cutOffset(rest)
	s.zoned, s.offset = found, offset
	return rest, ok && found
}

// cutHalf reads the half of a day behind a clock: "AM", " PM", "pm", " p. m.". A host may
// be called pm, so that stands apart only if a host follows.
func cutHalf(text string) (rest string, afternoon, found bool) {
	half, apart := strings.CutPrefix(text, " ")
	if len(half) < 2 || strings.IndexByte("AaPp", half[0]) < 0 {
		return "", false, false
	}
	dotted, isDotted := strings.CutPrefix(half[1:], ".")
	rest = strings.TrimPrefix(dotted, " ")
	if !isDotted && len(rest) != len(dotted) || rest == "" || rest[0]|0x20 != 'm' {
		return "", false, false
	}
	rest = rest[1:]
	if isDotted {
		rest = strings.TrimPrefix(rest, ".")
	}
	lower := half[0] >= 'a' && !isDotted
	return rest, half[0]|0x20 == 'p', endsStamp(rest) && !(lower && apart && beginsWithTag(strings.TrimLeft(rest, " ")))
}

// cutTime reads a clock, its fraction, and a zone behind it, with or without a
// space between them.
func (s *stamp) cutTime(text string) (string, bool) {
	if s.month < 1 || s.month > 12 || s.day < 1 || s.day > 31 {
		return "", false
	}
	rest, ok := s.cutClockAnd(text)
	if !ok {
		return "", false
	}
	return s.cutZoneWord(rest), true
}

// beginsFraction reports whether the fraction of a second follows.
func beginsFraction(text string) bool {
	return len(text) > 1 && (text[0] == '.' || text[0] == ',') && isDigit(text[1])
}

// cutFraction reads ".123456" as nanoseconds.
func cutFraction(text string) (nsec int, rest string) {
	unit := 100_000_000
	for rest = text[1:]; len(rest) > 0 && isDigit(rest[0]); rest = rest[1:] {
		nsec += int(rest[0]-'0') * unit
		unit /= 10
	}
	return nsec, rest
}
