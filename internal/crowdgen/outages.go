package crowdgen

import (
	"fmt"
	"slices"
)

// outageOf makes a provider refuse everything for some days. Each day some of the
// addresses get mail.
func (l *Log) outageOf(days int) {
	list := addresses("user", 200, "mail.example")
	for day := range 3 {
		l.mail(day, 8, 18, "mx.mail.example", list, nil, "")
	}
	for day := range days {
		part, _ := l.sample(list, 60)
		l.mail(7+day, 8, 18, "mx.mail.example", part, set(part), unknownUser)
	}
	part, _ := l.sample(list, 60)
	l.mail(7+days, 8, 18, "mx.mail.example", part, nil, "")
	l.truth(NotBad, list)
}

func threeDays(l *Log) { l.outageOf(3) }

func weekend(l *Log) {
	list := addresses("staff", 15, "company.example")
	for day := range 5 {
		part, _ := l.sample(list, 6)
		l.mail(day, 8, 18, "mx.company.example", part, nil, "")
	}
	l.mail(4, 8, 10, "mx.company.example", list, nil, "")
	for i, hours := range [][2]float64{{19, 24}, {8, 20}, {8, 20}, {0, 7}} {
		part := list[3*i : 3*i+3]
		l.mail(4+i, hours[0], hours[1], "mx.company.example", part, set(part), unknownUser)
	}
	l.mail(7, 8, 18, "mx.company.example", list[12:], nil, "")
	l.truth(NotBad, list)
}

// weekly sends a newsletter each week, which is refused from a week on, and other mail
// to the provider each day. It returns the readers.
func (l *Log) weekly(weeks, refusedFrom int) []string {
	readers, others := addresses("reader", 60, "mail.example"), addresses("user", 80, "mail.example")
	for week := range weeks {
		refused := set()
		if week >= refusedFrom {
			refused = set(readers)
		}
		l.mail(7*week, 10, 10.7, "mx.mail.example", readers, refused, unknownUser)
		for day := range 7 {
			part, _ := l.sample(others, 20)
			l.mail(7*week+day, 13, 20, "mx.mail.example", part, nil, "")
		}
	}
	return readers
}

func newsletterTwice(l *Log) { l.truth(Suspect, l.weekly(6, 4)) }

func readersGone(l *Log) { l.truth(Bad, l.weekly(7, 4)) }

func hosterWeekend(l *Log) {
	list := l.domains("site", 120, 4)
	l.mail(0, 8, 18, "mx1.hoster.example", list, nil, "")
	l.mail(3, 8, 18, "mx1.hoster.example", list, nil, "")
	for day, hours := range [][2]float64{{18, 23.5}, {6, 23}, {6, 23}} {
		part, _ := l.sample(list, 80)
		l.mail(4+day, hours[0], hours[1], "mx1.hoster.example", part, set(part), unknownUser)
	}
	part, _ := l.sample(list, 60)
	l.mail(7, 9, 18, "mx1.hoster.example", part, nil, "") // many domains get no mail again
	l.truth(NotBad, list)
}

func migration(l *Log) {
	list := addresses("user", 5000, "mail.example")
	dead, living := l.sample(list, 10)
	refused, accepted := living[:500], living[500:]
	l.mail(0, 8, 20, "mx.mail.example", list, nil, "")
	l.mail(7, 9, 15, "mx.mail.example", slices.Concat(refused, accepted, dead), set(refused, dead), unknownUser)
	l.mail(14, 9, 15, "mx.mail.example", slices.Concat(refused[:250], accepted[:250], dead), set(dead), unknownUser)
	l.truth(NotBad, living)
	l.truth(Bad, dead)
}

func migrationInGroups(l *Log) {
	list := addresses("user", 1600, "mail.example")
	l.mail(0, 8, 20, "mx.mail.example", list, nil, "")
	for i := range 16 {
		moving, others := list[100*i:100*i+50], slices.Concat(list[:100*i], list[100*i+100:])
		day, from := 7+i/8, float64(3*(i%8))
		l.mail(day, from, from+3, "mx.mail.example", moving, set(moving), unknownUser)
		some, _ := l.sample(others, 100)
		l.mail(day, from, from+3, "mx.mail.example", some, nil, "")
	}
	l.truth(NotBad, list)
}

func hostedDirectory(l *Log) {
	list := l.domains("site", 120, 4)
	other := addresses("user", 600, "open.example")
	for day := range 2 {
		l.mail(day, 8, 18, "mx1.hoster.example", list, nil, "")
		l.mail(day, 8, 18, "mx.open.example", other, nil, "")
	}
	down, up := l.sample(list, len(list)/2)
	l.mail(3, 8, 11, "mx1.hoster.example", slices.Concat(down, up), set(down), unknownUser)
	l.mail(3, 8, 18, "mx.open.example", other, nil, "")
	l.mail(4, 8, 18, "mx1.hoster.example", down[:len(down)/2], nil, "")
	l.truth(NotBad, list)
}

func flapping(l *Log) {
	list := addresses("user", 300, "mail.example")
	for day := range 2 {
		l.mail(day, 8, 18, "mx.mail.example", list, nil, "")
	}
	for day := range 2 {
		refused, accepted := l.sample(list, 150)
		l.mail(5+day, 8, 18, "mx.mail.example", slices.Concat(refused, accepted), set(refused), unknownUser)
	}
	l.truth(NotBad, list)
}

func outageWithDead(l *Log) {
	list := addresses("staff", 30, "company.example")
	dead, living := list[:3], list[3:]
	for week, refused := range []map[string]bool{nil, nil, set(list), set(dead), set(dead)} {
		l.mail(7*week, 8, 10, "mx.company.example", list, refused, unknownUser)
	}
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}

func boughtDead(l *Log) {
	known, bought := l.domains("firm", 40, 4), l.firms(25)
	dead, living := l.sample(bought, 700)
	for day := range 3 {
		l.mailOwn(day, known, nil)
	}
	l.mailOwn(2, bought, set(dead))
	l.truth(Bad, dead)
	l.truth(NotBad, living, known)
}

func oldList(l *Log) {
	list := l.firms(25)
	dead, living := l.sample(list, 400)
	l.mailOwn(0, list, nil)
	l.mailOwn(365, list, set(dead))
	l.mailOwn(372, list, set(dead))
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}

// firms returns some addresses in each of 40 domains.
func (l *Log) firms(each int) (list []string) {
	for i := range 40 {
		list = append(list, addresses("old", each, fmt.Sprintf("firm%d.example", i))...)
	}
	return list
}

// mailOwn sends mail to addresses whose domains have one server each.
func (l *Log) mailOwn(day int, list []string, dead map[string]bool) {
	for _, a := range list {
		l.mail(day, 9, 12, ownRelay(a), []string{a}, dead, unknownUser)
	}
}

func shutWeekly(l *Log) {
	list := addresses("staff", 12, "shut.example")
	for week := range 6 {
		if week < 2 {
			l.mail(7*week, 8, 18, "mx.shut.example", list, nil, "")
			continue
		}
		l.mail(7*week, 8, 18, "mx.shut.example", list[:6], set(list), unknownUser)
	}
	l.truth(Bad, list[:6])
}

func shutDaily(l *Log) {
	list := addresses("staff", 5, "shut.example")
	l.mail(0, 8, 18, "mx.shut.example", list, nil, "")
	for day := 5; day < 25; day++ {
		l.mail(day, 8, 18, "mx.shut.example", list[day%5:day%5+1], set(list), unknownUser)
	}
	l.truth(Bad, list)
}

func closesAccounts(l *Log) {
	list := addresses("user", 1500, "mail.example")
	dead, living := l.sample(list, 180)
	for week, refused := range []map[string]bool{nil, nil, set(dead), set(dead)} {
		l.mail(7*week, 8, 10, "mx.mail.example", list, refused, unknownUser)
	}
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}

func cleaning(l *Log) {
	list, users := l.domains("firm", 300, 3), addresses("user", 2000, "gmail.com")
	dead, living := l.sample(list, len(list)/25)
	gone, left := l.sample(users, 80)
	l.mailOwn(0, list, nil)
	l.mail(0, 8, 10, googleRelay, users, nil, "")
	l.mailOwn(30, list, set(dead))
	l.mail(30, 8, 10, googleRelay, users, set(gone), noSuchUser)
	l.truth(Bad, dead, gone)
	l.truth(NotBad, living, left)
}

func refusesFirst(l *Log) {
	list := addresses("user", 40, "mail.example")
	for week := range 4 {
		l.mail(7*week, 8, 12, "mx.mail.example", list, set(list), unknownUser)
		if week < 3 {
			l.mail(7*week, 13, 14, "mx.mail.example", list, nil, "")
		}
	}
	l.truth(NotBad, list)
}
