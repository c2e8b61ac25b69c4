package logparse

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"time"
)

// stamp is the time that a line begins with, as far as the line tells it.
type stamp struct {
	year                        int // 0 where the stamp has none
	month                       time.Month
	day, hour, minute, sec, nan int // nan: nanoseconds
	zoned                       bool
	offset                      int  // seconds east of UTC, if zoned
	exim                        bool // in Exim's own form, behind which no host follows
}

// cut reads a stamp and the space behind it off the front of a line.
func (s *stamp) cut(line string) (rest string, ok bool) {
	*s = stamp{}
	if len(line) < 16 {
		return "", false
	}
	if c := line[0]; '0' <= c && c <= '9' {
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

// cutFull reads "Mon 2026-11-23 12:57:36 UTC ". Of other zones the short name
// says too little, and the setting counts.
func (s *stamp) cutFull(line string) (string, bool) {
	if len(line) < 28 || line[14] != ' ' || line[23] != ' ' {
		return "", false
	}
	if _, ok := s.cutISO(line[4:]); !ok {
		return "", false
	}
	zone, rest, found := strings.Cut(line[24:], " ")
	if !found || len(zone) > 6 {
		return "", false
	}
	s.exim = false
	if string(zone) == "UTC" || string(zone) == "GMT" {
		s.zoned = true
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
		var found bool
		if _, rest, found = strings.Cut(rest, " "); !found {
			return "", false
		}
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
// +0100) and Exim's own form, with a space in place of the T and, by
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
		unit := 100_000_000
		for rest = rest[1:]; len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9'; rest = rest[1:] {
			s.nan += int(rest[0]-'0') * unit
			unit /= 10
		}
	}
	if s.exim && len(rest) >= 6 && rest[0] == ' ' && (rest[1] == '+' || rest[1] == '-') {
		rest = rest[1:]
	}
	rest, known := s.cutZone(rest)
	if !known || len(rest) == 0 || rest[0] != ' ' {
		return "", false
	}
	rest = rest[1:]
	if s.exim && len(rest) > 0 && rest[0] == '[' {
		for i := 1; i < len(rest); i++ {
			if rest[i] == ']' && i+1 < len(rest) && rest[i+1] == ' ' {
				return rest[i+2:], true
			}
			if rest[i] < '0' || '9' < rest[i] {
				break
			}
		}
	}
	return rest, true
}

func (s *stamp) cutZone(b string) (string, bool) {
	if len(b) == 0 || b[0] == ' ' {
		return b, true
	}
	if b[0] == 'Z' {
		s.zoned = true
		return b[1:], true
	}
	if b[0] != '+' && b[0] != '-' || len(b) < 5 {
		return "", false
	}
	hours, ok := digits(b[1:3])
	minutesAt := 3
	if b[3] == ':' {
		minutesAt = 4
	}
	if !ok || len(b) < minutesAt+2 {
		return "", false
	}
	minutes, ok := digits(b[minutesAt : minutesAt+2])
	if !ok {
		return "", false
	}
	s.zoned, s.offset = true, hours*3600+minutes*60
	if b[0] == '-' {
		s.offset = -s.offset
	}
	return b[minutesAt+2:], true
}

func digits(b string) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || '9' < c {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// time returns the stamp's time in a year, and in a zone where it names none.
func (s *stamp) time(year int, zone *time.Location) time.Time {
	if s.zoned {
		return time.Date(year, s.month, s.day, s.hour, s.minute, s.sec, s.nan, time.UTC).Add(-time.Duration(s.offset) * time.Second)
	}
	return time.Date(year, s.month, s.day, s.hour, s.minute, s.sec, s.nan, zone)
}

// seconds orders lines by their stamps alone, for event ids: what depends on
// settings or on other lines must not enter. Without a year it counts from the
// start of a leap year.
func (s *stamp) seconds() uint32 {
	if s.year == 0 {
		days := [...]int{0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335}
		return uint32(((days[s.month-1]+s.day-1)*24+s.hour)*3600 + s.minute*60 + s.sec - s.offset)
	}
	return uint32(s.time(s.year, time.UTC).Unix())
}

// sinceInYear returns how far a stamp is behind another of the same year.
func (s *stamp) sinceInYear(other *stamp) time.Duration {
	return s.time(1972, time.UTC).Sub(other.time(1972, time.UTC))
}

// skew is how far back a line may go behind the one before it: hosts whose
// clocks differ write to one log, and lines that could not be sent arrive late.
const skew = 28 * 24 * time.Hour

// at returns the time of a line and remembers it.
func (p *Parser) at(h *header) time.Time {
	fraction := time.Duration(h.stamp.nan)
	if p.timed && p.fraction == fraction {
		return p.last
	}
	if !p.timed {
		p.second, p.seconds, p.timed = p.secondOf(&h.stamp), h.stamp.seconds(), true
		if !h.stamp.zoned && p.second.Add(fraction).Before(p.newest.Add(-overtake)) {
			// An hour may come twice when summer time ends.
			if again := p.second.Add(time.Hour); again.In(p.zone).Hour() == h.stamp.hour {
				p.second = again
			}
		}
		p.read = true
	}
	p.last, p.fraction = p.second.Add(fraction), fraction
	if p.last.After(p.newest) {
		p.newest = p.last
	}
	return p.last
}

// secondOf returns the time of a stamp without its fraction.
func (p *Parser) secondOf(s *stamp) time.Time {
	hour := hourOf{s.year, s.month, s.day, s.hour, s.zoned, s.offset}
	if hour != p.hour {
		p.hourStart, p.hour = p.startOf(s), hour
	}
	return p.hourStart.Add(time.Duration(s.minute)*time.Minute + time.Duration(s.sec)*time.Second)
}

// overtake is how far apart lines of one log are written that are out of order.
const overtake = 10 * time.Minute

// hourOf is what the time of a stamp depends on that is hard to compute.
type hourOf struct {
	year      int
	month     time.Month
	day, hour int
	zoned     bool
	offset    int
}

// startOf returns the start of the hour of a stamp, the first if it comes
// twice. A stamp without a year is of the year that brings it nearest to the
// anchor, and then of the first that does not go back behind the lines before,
// but never of the future.
func (p *Parser) startOf(s *stamp) time.Time {
	start := *s
	start.minute, start.sec, start.nan = 0, 0, 0
	year := s.year
	if year == 0 {
		// A clock may have been wrong for a while, and the lines behind it must
		// not be taken for those of another year: the newest line counts.
		near, latest := p.newest, p.now()
		if !p.read {
			near = p.last
		}
		if near.IsZero() {
			near = latest
		}
		if near.After(latest) { // the clock here may be the one that is wrong
			latest = near
		}
		if p.read {
			year = followingYear(&start, near.Add(-skew), p.zone)
		} else {
			year = nearestYear(&start, near, p.zone)
		}
		year = notAfter(&start, year, latest.Add(slop), p.zone)
	}
	t := start.time(year, p.zone).UTC()
	if first := t.Add(-time.Hour); !s.zoned && first.In(p.zone).Hour() == s.hour {
		return first
	}
	return t
}

// slop is how far ahead a stamp may be of the clock here: a zone, and a bit.
const slop = 36 * time.Hour

// notAfter returns a year, or the last before it in which a stamp is not after
// a time.
func notAfter(s *stamp, year int, latest time.Time, zone *time.Location) int {
	for s.time(year, zone).After(latest) {
		year--
	}
	return year
}

// followingYear returns the first year in which a stamp is not before from.
func followingYear(s *stamp, from time.Time, zone *time.Location) int {
	for year := from.Year() - 1; year <= from.Year()+8; year++ { // leap years are at most 8 apart
		if t := s.time(year, zone); (s.zoned || t.Month() == s.month) && !t.Before(from.Truncate(time.Hour)) {
			return year
		}
	}
	return from.Year()
}

// nearestYear returns the year in which a stamp is nearest to a time.
func nearestYear(s *stamp, near time.Time, zone *time.Location) int {
	best, bestGap := near.Year(), time.Duration(1<<63-1)
	for year := near.Year() - 1; year <= near.Year()+1; year++ {
		t := s.time(year, zone)
		if t.Month() != s.month && !s.zoned {
			continue // 29 February, in a year that has none
		}
		if gap := t.Sub(near).Abs(); gap < bestGap {
			best, bestGap = year, gap
		}
	}
	return best
}

// Anchor returns the time of the first stamped line of a log, and modified
// where there is none. A stamp without a year is counted back from when the
// file was last modified, by the number of times that December turns to
// January in it. Of a large file that can be sought in, samples tell; of a
// large archive its start, where that shows that the whole cannot span a year.
func Anchor(open func() (io.ReadCloser, error), size int64, modified time.Time, zone *time.Location) time.Time {
	r, err := open()
	if err != nil {
		return modified
	}
	defer r.Close()
	if zone == nil {
		zone = time.Local
	}
	var y years
	if f, ok := r.(io.ReadSeeker); ok && size > wholeRead {
		err = y.sample(f, size)
	} else {
		err = y.readAll(r, size)
	}
	first, last, turns := y.first, y.last, y.turns
	if first.year != 0 {
		return first.time(first.year, zone)
	}
	if err != nil {
		return modified
	}
	if first.month == 0 {
		return modified
	}
	// The last line was written when the file was modified last, give or take
	// a zone.
	year := notAfter(&last, modified.In(zone).Year(), modified.Add(slop), zone)
	for y.leap && !isLeap(year-turns+y.leapAt) { // the file is a copy
		year--
	}
	return first.time(year-turns, zone)
}

// years counts how often December turns to January in a log.
type years struct {
	first, last stamp
	before      stamp // the last one before it did so, while it may be a clock that was wrong
	turns       int
	leap        bool // there is a 29 February
	leapAt      int  // after that many turns
}

func isLeap(year int) bool { return year%4 == 0 && year%100 != 0 || year%400 == 0 }

const (
	wholeRead = 1 << 20 // bytes up to which a log is read as a whole
	samples   = 1024    // of a larger one
	prefix    = 8 << 20 // bytes of an archive after which it is looked at how far they go
	ratio     = 60      // by how much an archive of a log is smaller at most
)

// withinAYear reports whether a log whose first bytes hold what was taken so
// far must end before its first month and day come again.
func (y *years) withinAYear(bytes, archived int64) bool {
	if y.first.month == 0 || archived <= 0 {
		return false
	}
	span := y.last.time(1972+y.turns, time.UTC).Sub(y.first.time(1972, time.UTC))
	return span >= 0 && span.Hours()*float64(archived*ratio)/float64(bytes) < 300*24
}

// take takes the next line. It returns false when enough is known.
func (y *years) take(line string) bool {
	var h header
	if len(line) == 0 || !cutHeader(line, &h) {
		return true
	}
	switch jump := h.stamp.month - y.last.month; {
	case y.first.month == 0:
		y.first = h.stamp
	case h.stamp.year != 0:
	case jump < -6:
		y.before = y.last
		y.turns++
	case jump > 6 && y.before.month > 0 && h.stamp.sinceInYear(&y.before).Abs() < skew:
		y.turns-- // the clock is right again
	}
	if y.last = h.stamp; y.last.month == time.February && y.last.day == 29 {
		y.leap, y.leapAt = true, y.turns
	}
	return y.first.year == 0
}

// readAll looks at all lines. size is that of the archive, -1 where it is not
// known.
func (y *years) readAll(r io.Reader, size int64) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	looked := false
	for n := int64(0); ; {
		line, err := lines.ReadSlice('\n')
		n += int64(len(line))
		if n > prefix && !looked {
			if looked = true; y.withinAYear(n, size) {
				y.last, y.turns = y.first, 0
				return nil
			}
		}
		whole := err == nil
		if !y.take(string(line)) {
			return nil
		}
		for !whole && errors.Is(err, bufio.ErrBufferFull) { // the rest of a long line
			_, err = lines.ReadSlice('\n')
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sample looks at some lines at each of many places, the start and the end
// among them.
func (y *years) sample(f io.ReadSeeker, size int64) error {
	buf := make([]byte, 8<<10)
	step := max(size/samples, int64(len(buf)))
	for at := int64(0); ; at += step {
		last := at+int64(len(buf)) >= size
		if last {
			at = max(0, size-int64(len(buf)))
		}
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
		n, err := io.ReadFull(f, buf)
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
			return err
		}
		text := string(buf[:n])
		if at > 0 { // a line may have begun before
			text = text[strings.IndexByte(text, '\n')+1:]
		}
		for line := range strings.Lines(text) {
			if line[len(line)-1] == '\n' && !y.take(line) {
				return nil
			}
		}
		if last {
			return nil
		}
	}
}
