package logparse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
)

// Anchor returns the time of the first stamped line of a log, and modified if
// there is none. The year of a stamp without one is counted back from the first
// stamp that has one, or else from when the file was last modified, by the number
// of times that December turns to January in between. Large files that can be
// sought in are sampled; a large archive is read from its start, up to where it is
// certain that the whole cannot span a year.
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
	if !y.decideFirst(&y.doubtful, modified) {
		return modified
	}
	first, last, turns := y.first, y.last, y.turns
	if first.year != 0 {
		return first.time(first.year, zone)
	}
	if y.firstYear != 0 {
		return first.time(y.firstYear, zone)
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
	firstYear   int   // 0 if no stamp has a year
	leap        bool  // there is a 29 February
	leapAt      int   // after that many turns
	doubtful    stamp // the last one whose month may be two, while all may
}

// decideFirst decides the month of the first stamp if it may be two, by that of the last
// such stamp, which is near a time. It returns false if that does not decide.
func (y *years) decideFirst(doubtful *stamp, near time.Time) bool {
	if !y.first.orEarlier {
		return true
	}
	y.last = *doubtful
	if !y.last.decideMonth(near, false) {
		return false
	}
	y.first.month -= doubtful.month - y.last.month
	y.first.orEarlier = false
	return true
}

func isLeap(year int) bool { return year%4 == 0 && year%100 != 0 || year%400 == 0 }

const (
	wholeRead = 1 << 20  // bytes up to which a log is read as a whole
	samples   = 1024     // of a larger one
	perSample = 8        // lines of each, if there are others between them
	prefix    = 8 << 20  // bytes of an archive after which it is looked at how far they go
	unstamped = 64 << 20 // bytes of an archive without a stamp after which none is expected
	ratio     = 60       // by how much an archive of a log is smaller at most
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
	s, ok := lineStamp(line)
	if !ok {
		return true
	}
	if s.orEarlier {
		if y.first.month == 0 {
			y.first, y.firstYear = s, s.year
		}
		y.doubtful = s
		return true
	}
	if !y.decideFirst(&y.doubtful, s.time(max(s.year, 1972), time.UTC)) {
		y.first, y.last = stamp{}, stamp{}
	}
	switch jump := s.month - y.last.month; {
	case y.first.month == 0:
		y.first, y.firstYear = s, s.year
	case jump < -6:
		y.before = y.last
		y.turns++
	case jump > 6 && y.before.month > 0 && s.sinceInYear(&y.before).Abs() < skew:
		y.turns-- // the clock is right again
	}
	if s.year != 0 && y.firstYear == 0 {
		y.firstYear = s.year - y.turns
	}
	if y.last = s; y.last.month == time.February && y.last.day == 29 {
		y.leap, y.leapAt = true, y.turns
	}
	return y.firstYear == 0
}

// lineStamp returns the stamp of a line of any program. Its month may be two.
func lineStamp(line string) (stamp, bool) {
	var h header
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return stamp{}, false
	}
	t := unwrap(line)
	if cutHeader(t.inner, &h) {
		h.outer = t.outer
		h.completeByOuter()
	} else {
		u := unusual{keepsDoubt: true}
		if u.readParts(cutSource(undecorate(line))); !u.fill(&h) {
			return stamp{}, false
		}
	}
	if h.resolved {
		return h.time, true
	}
	return h.stamp, true
}

// readAll looks at all lines. size is that of the archive, -1 where it is not
// known.
func (y *years) readAll(r io.Reader, size int64) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	looked := false
	rest := false // of a long line
	for n := int64(0); ; {
		part, err := lines.ReadSlice('\n')
		n += int64(len(part))
		if n > prefix && !looked {
			if looked = true; y.withinAYear(n, size) {
				y.last, y.turns = y.first, 0
				return nil
			}
		}
		if y.first.month == 0 && n > unstamped {
			return nil
		}
		if !rest && !y.take(string(part)) {
			return nil
		}
		if rest = errors.Is(err, bufio.ErrBufferFull); rest {
			continue
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sample looks at some lines at each of many places, the start and the end among
// them. An import waits for it before it reads the first line.
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
		rest := buf[:n]
		if at > 0 { // a line may have begun before
			rest = rest[bytes.IndexByte(rest, '\n')+1:]
		}
		all := last || step == int64(len(buf)) // the last lines tell the year; a small log is read whole
		for taken := 0; all || taken < perSample; taken++ {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			if !y.take(string(line)) {
				return nil
			}
			rest = after
		}
		if last {
			return nil
		}
	}
}
