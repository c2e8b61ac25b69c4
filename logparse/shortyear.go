package logparse

import (
	"strings"
	"time"
)

// Years of two digits. Countries differ in which of the numbers is the year:
//
//	26-11-23 12:57:36   23.11.26 12:57:36   11/23/26 12:57:36
//
// The line before decides, or the modification time of the file. A date that may be two
// days is not read.

const (
	shortYearReach = 366 * 24 * time.Hour // how far such a line may be from the one before
	shortYearNear  = 2 * 24 * time.Hour   // a day so near is the right one,
	shortYearFar   = 20 * 24 * time.Hour  // if the others are so far
)

// shortYears are the orders of year, month and day, by what stands between them.
var shortYears = map[byte][]string{'-': {"ymd", "dmy", "mdy"}, '/': {"ymd", "dmy", "mdy"}, '.': {"ymd", "dmy"}}

// namedShortYears are those with the name of the month: 23-Nov-26.
var namedShortYears = map[byte][]string{'-': {"dmy", "ymd"}, '/': {"dmy", "ymd"}}

// cutShortYear reads such a date and a clock. near is the time of the line before.
func (s *stamp) cutShortYear(text string, near time.Time) (rest string, ok bool) {
	var numbers [3]int
	var marks [3]byte
	rest = text
	orders := shortYears
	for i := range numbers {
		var digits string
		if digits, rest = leadingDigits(rest); i == 1 && digits == "" {
			name, after := cutDatePart(rest)
			month, _ := monthOf(name)
			if month == 0 || len(after) == 0 || rest[len(name)] != marks[0] {
				return "", false
			}
			numbers[i], marks[i], rest, orders = month, marks[0], after, namedShortYears
			continue
		}
		if len(digits) != 2 || rest == "" {
			return "", false
		}
		numbers[i], marks[i], rest = number(digits), rest[0], rest[1:]
	}
	if marks[0] != marks[1] || strings.IndexByte(" T\t,;", marks[2]) < 0 {
		return "", false
	}
	day, ok := shortYearDay(numbers, orders[marks[0]], near)
	if !ok {
		return "", false
	}
	s.year, s.month, s.day = day.Year(), day.Month(), day.Day()
	return s.cutTime(strings.TrimLeft(rest, " "))
}

// shortYearDay returns the day that three numbers mean in one of several orders.
func shortYearDay(numbers [3]int, orders []string, near time.Time) (day time.Time, ok bool) {
	best, second := shortYearReach, shortYearReach
	for _, order := range orders {
		year := 2000 + numbers[strings.IndexByte(order, 'y')]
		month, date := time.Month(numbers[strings.IndexByte(order, 'm')]), numbers[strings.IndexByte(order, 'd')]
		t := time.Date(year, month, date, 12, 0, 0, 0, time.UTC)
		if t.Month() != month || t.Day() != date || ok && t.Equal(day) {
			continue
		}
		switch gap := t.Sub(near).Abs(); {
		case gap < best:
			best, second, day, ok = gap, best, t, true
		case gap < second:
			second = gap
		}
	}
	return day, ok && (second == shortYearReach || best <= shortYearNear && second > shortYearFar)
}
