package logparse

import "time"

// skew is how far back a line may go behind the one before it: hosts whose
// clocks differ write to one log, and lines that could not be sent arrive late.
const skew = 28 * 24 * time.Hour

// at returns the time of a line and remembers it.
func (p *Parser) at(h *header) time.Time {
	s := &h.stamp
	if h.resolved {
		s = &h.time
	} else if s.nsec == p.timed.nsec && s.sameSecond(&p.timed) {
		return p.last // as for most lines
	}
	fraction := time.Duration(s.nsec)
	if h.resolved || !s.sameSecond(&p.timed) {
		p.second, p.seconds, p.timed = p.secondOf(s), h.stamp.seconds(), *s
		if h.resolved {
			p.timed = stamp{} // seconds is of another stamp
		}
		if !s.zoned && p.second.Add(fraction).Before(p.newest.Add(-overtake)) {
			// An hour may come twice when summer time ends.
			if again := p.second.Add(time.Hour); again.In(p.zone).Hour() == s.hour {
				p.second = again
			}
		}
		p.read = true
	}
	p.last, p.timed.nsec = p.second.Add(fraction), s.nsec
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
	start.minute, start.sec, start.nsec = 0, 0, 0
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
