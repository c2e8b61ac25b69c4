package logparse

import (
	"strings"
	"time"
)

// stamp is the time that a line begins with, as far as the line tells it.
type stamp struct {
	year                         int // 0 where the stamp has none
	month                        time.Month
	day, hour, minute, sec, nsec int // nsec: nanoseconds
	zoned                        bool
	offset                       int  // seconds east of UTC, if zoned
	byName                       bool // the zone stands apart; it does not enter event ids
	exim                         bool // in Exim's own form, behind which no host follows
	orEarlier                    bool // its name may mean the month before, see decideMonth
}

// sameSecond reports whether two stamps differ in their fractions at most.
func (s *stamp) sameSecond(t *stamp) bool {
	return s.sec == t.sec && s.minute == t.minute && s.hour == t.hour && s.day == t.day && s.month == t.month && s.year == t.year &&
		s.zoned == t.zoned && s.offset == t.offset && s.byName == t.byName && s.exim == t.exim && s.orEarlier == t.orEarlier
}

// cut reads a stamp and the space behind it off the front of a line.
func (s *stamp) cut(line string) (rest string, ok bool) {
	*s = stamp{}
	if len(line) < 16 {
		return "", false
	}
	if isDigit(line[0]) {
		if line[10] == '.' {
			return s.cutUnix(line)
		}
		return s.cutISO(line)
	}
	if line[3] == ' ' && line[8] == '-' {
		return s.cutFull(line)
	}
	return s.cutTraditional(line)
}

// cutUnix reads "1795438932.759177 ".
func (s *stamp) cutUnix(line string) (string, bool) {
	end := strings.IndexByte(line[:min(len(line), 24)], ' ')
	seconds, ok := digits(line[:10])
	if end < 12 || !ok {
		return "", false
	}
	fraction, ok := digits(line[11:end])
	if !ok {
		return "", false
	}
	for range 9 - (end - 11) {
		fraction *= 10
	}
	s.set(time.Unix(int64(seconds), int64(fraction)))
	return line[end+1:], true
}

// cutFull reads "Mon 2026-11-23 12:57:36 UTC ", also with "-03" for zones without
// a name. Where a name means several zones, the settings decide.
func (s *stamp) cutFull(line string) (string, bool) {
	if len(line) < 28 || line[14] != ' ' || line[23] != ' ' {
		return "", false
	}
	if _, ok := s.cutISO(line[4:]); !ok {
		return "", false
	}
	zone, rest, found := strings.Cut(line[24:], " ")
	if !found || zone == "" || len(zone) > 6 {
		return "", false
	}
	s.exim = false
	if s.zoned = false; zone == "UTC" || zone == "GMT" {
		s.zoned = true
	} else if s.setZone(zone) {
		s.byName = s.zoned
	} else if strings.ToUpper(zone) != zone || isDigit(zone[0]) {
		return "", false // a host, or a tag
	}
	return rest, true
}

// cutTraditional reads "Nov  3 12:57:36 " (RFC 3164), and with a fraction as
// journalctl -o short-precise has it.
func (s *stamp) cutTraditional(line string) (string, bool) {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for m := range 12 {
		if string(line[:3]) == months[3*m:3*m+3] {
			s.month = time.Month(m + 1)
		}
	}
	if s.month == 0 || line[3] != ' ' || line[6] != ' ' || line[15] != ' ' && line[15] != '.' {
		return "", false
	}
	day := line[4:6]
	if day[0] == ' ' {
		day = day[1:]
	}
	var ok bool
	if s.day, ok = digits(day); !ok {
		return "", false
	}
	rest := line[16:]
	if line[15] == '.' {
		if s.nsec, rest = cutFraction(line[15:]); rest == "" || rest[0] != ' ' {
			return "", false
		}
		rest = rest[1:]
	}
	return rest, s.cutClock(line[7:15])
}

func (s *stamp) cutClock(b string) bool {
	var ok [3]bool
	s.hour, ok[0] = digits(b[0:2])
	s.minute, ok[1] = digits(b[3:5])
	s.sec, ok[2] = digits(b[6:8])
	return ok == [3]bool{true, true, true} && b[2] == ':' && b[5] == ':' &&
		1 <= s.day && s.day <= 31 && s.hour < 24 && s.minute < 60 && s.sec <= 60
}

// cutISO reads RFC 3339 ("2026-11-23T12:57:36.123+01:00 ", also with Z or
// +0100) and Exim's own form, with a space instead of the T and, by
// log_selector, " +0100", milliseconds and "[pid]" behind.
func (s *stamp) cutISO(line string) (string, bool) {
	if len(line) < 20 || line[4] != '-' || line[7] != '-' || line[10] != 'T' && line[10] != ' ' {
		return "", false
	}
	var ok [3]bool
	var month int
	s.year, ok[0] = digits(line[:4])
	month, ok[1] = digits(line[5:7])
	s.day, ok[2] = digits(line[8:10])
	if ok != [3]bool{true, true, true} || month < 1 || month > 12 || !s.cutClock(line[11:19]) {
		return "", false
	}
	s.month = time.Month(month)
	s.exim = line[10] == ' '
	rest := line[19:]
	if len(rest) > 0 && rest[0] == '.' {
		s.nsec, rest = cutFraction(rest)
	}
	if s.exim && len(rest) >= 6 && rest[0] == ' ' && (rest[1] == '+' || rest[1] == '-') {
		rest = rest[1:]
	}
	rest, known := s.cutZone(rest)
	if !known || len(rest) == 0 || rest[0] != ' ' && (rest[0] != '"' || !s.zoned) {
		return "", false
	}
	if rest = rest[1:]; s.exim {
		rest = withoutProcess(rest)
	}
	return rest, true
}

// withoutProcess takes "[88] " off.
func withoutProcess(rest string) string {
	if strings.HasPrefix(rest, "[") {
		if process, after, found := strings.Cut(rest[1:], "] "); found && isNumber(process) {
			return after
		}
	}
	return rest
}

// time returns the stamp's time in a year, and in a zone where it names none.
func (s *stamp) time(year int, zone *time.Location) time.Time {
	if s.zoned {
		return time.Date(year, s.month, s.day, s.hour, s.minute, s.sec, s.nsec, time.UTC).Add(-time.Duration(s.offset) * time.Second)
	}
	return time.Date(year, s.month, s.day, s.hour, s.minute, s.sec, s.nsec, zone)
}

// seconds orders lines by their stamps alone, for event ids: what depends on
// settings or on other lines must not enter. Without a year it counts from the
// start of a leap year.
func (s *stamp) seconds() uint32 {
	if s.year == 0 {
		days := [...]int{0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335}
		return uint32(((days[s.month-1]+s.day-1)*24+s.hour)*3600 + s.minute*60 + s.sec - s.offset)
	}
	seconds := s.time(s.year, time.UTC).Unix()
	if s.byName {
		seconds += int64(s.offset)
	}
	return uint32(seconds)
}

// sinceInYear returns how far a stamp is behind another of the same year.
func (s *stamp) sinceInYear(other *stamp) time.Duration {
	return s.time(1972, time.UTC).Sub(other.time(1972, time.UTC))
}

// complete takes the year and the zone that a stamp lacks from one that was put
// around it later, such as that of a container's runtime. Where both clocks are
// in different zones, the difference between them shows it: containers may have
// a zone of their own.
func (s *stamp) complete(outer *stamp) {
	if s.year != 0 && s.zoned {
		return
	}
	// Both as their clocks show it, which may be hours apart.
	clock := outer.time(max(outer.year, 1972), time.UTC).Add(time.Duration(outer.offset) * time.Second)
	if s.year == 0 && outer.year != 0 {
		s.year = nearestYear(&stamp{month: s.month, day: s.day, hour: s.hour, minute: s.minute, sec: s.sec}, clock, time.UTC)
	}
	if s.zoned || !outer.zoned {
		return
	}
	s.zoned, s.offset = true, outer.offset
	if s.year == 0 || outer.year == 0 {
		return
	}
	ahead := time.Date(s.year, s.month, s.day, s.hour, s.minute, s.sec, 0, time.UTC).Sub(clock)
	const step, most, delay = 15 * time.Minute, 26 * time.Hour, time.Minute
	zone := (ahead + delay).Truncate(step)
	if ahead < 0 {
		zone = -(-ahead).Truncate(step)
	}
	if late := zone - ahead; zone != 0 && zone.Abs() < most && -2*time.Second <= late && late <= delay {
		s.offset += int(zone / time.Second)
	}
}

// set makes a stamp of a time that is known exactly.
func (s *stamp) set(t time.Time) {
	t = t.UTC()
	*s = stamp{
		year: t.Year(), month: t.Month(), day: t.Day(),
		hour: t.Hour(), minute: t.Minute(), sec: t.Second(), nsec: t.Nanosecond(), zoned: true,
	}
}
