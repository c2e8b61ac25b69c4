package crowdgen

import (
	"slices"
	"time"
)

// daily sends mail to a random part of a list on each of some days, between 7:00 and
// 19:00. An attempt is refused if the function says so.
func (l *Log) daily(days, part int, relay string, list []string, refused func(at time.Time, to string) bool) {
	for day := range days {
		some, _ := l.sample(list, part)
		for _, a := range some {
			if at := l.between(day, 7, 19); refused != nil && refused(at, a) {
				l.refused(at, a, relay, unknownUser)
			} else {
				l.sent(at, a, relay)
			}
		}
	}
}

// during refuses what is sent from one time to another.
func during(from, to time.Time) func(time.Time, string) bool {
	return func(at time.Time, _ string) bool { return !at.Before(from) && at.Before(to) }
}

func unsyncedDirectory(l *Log) {
	list := addresses("staff", 200, "company.example")
	late, _ := l.sample(list, 40)
	isLate := set(late)
	l.mail(0, 7, 8, "mx.company.example", list, nil, "")
	l.daily(10, 60, "mx.company.example", list, nil)
	l.daily(14, 60, "tenant.newhost.example", list, func(at time.Time, to string) bool {
		return isLate[to] && !at.Before(hour(10, 0)) && at.Before(hour(12, 8))
	})
	l.truth(NotBad, list)
}

func directoryPartlyDaily(l *Log) {
	list := addresses("user", 1000, "mail.example")
	lost, _ := l.sample(list, 70)
	isLost, down := set(lost), during(hour(7, 9), hour(7, 13))
	l.mail(0, 6, 7, "mx.mail.example", list, nil, "")
	l.daily(8, 900, "mx.mail.example", list, func(at time.Time, to string) bool { return isLost[to] && down(at, to) })
	l.truth(NotBad, list)
}

func lookupsSeldom(l *Log) {
	list := addresses("user", 1500, "mail.example")
	down := during(hour(7, 0), hour(10, 0))
	l.mail(0, 6, 7, "mx.mail.example", list, nil, "")
	l.daily(12, 1300, "mx.mail.example", list, func(at time.Time, to string) bool { return down(at, to) && l.rng.Float64() < 0.025 })
	l.truth(NotBad, list)
}

func fewOfCustomer(l *Log) {
	list, other := addresses("staff", 8, "customer.example"), l.domains("firm", 60, 2)
	for day := range 8 {
		l.mail(day, 8, 18, "mx.customer.example", list, nil, "")
		l.mailOwn(day, other[:40], nil)
	}
	for i, a := range list[:3] { // the mails of a small sender
		l.refused(l.between(8, float64(9+2*i), float64(10+2*i)), a, "mx.customer.example", unknownUser)
	}
	l.mailOwn(8, other[:40], nil)
	l.truth(NotBad, list, other)
}

func hosterDaily(l *Log) {
	list, other := l.domains("site", 30, 1), addresses("user", 2500, "mail.example")
	l.mail(0, 7, 19, "mx1.hoster.example", list, nil, "")
	for day := range 8 {
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.daily(7, 28, "mx1.hoster.example", list, nil)
	l.mail(7, 9, 12, "mx1.hoster.example", list[:12], set(list), unknownUser)
	l.truth(NotBad, list)
}

// oldLists are the readers of a newsletter at three providers with other mail.
func (l *Log) oldLists() (readers, others []string) {
	for _, domain := range []string{"one.example", "two.example", "three.example"} {
		readers = append(readers, addresses("reader", 300, domain)...)
		others = append(others, addresses("user", 40, domain)...)
	}
	return readers, others
}

func listAfterTwoMonths(l *Log) {
	readers, others := l.oldLists()
	dead, living := l.sample(readers, 225)
	l.mailOwn(0, readers, nil)
	for day := 55; day < 61; day++ {
		l.mailOwn(day, others, nil)
	}
	l.mailOwn(60, readers, set(dead))
	l.truth(Bad, dead)
	l.truth(NotBad, living, others)
}

func hostedListAfterTwoMonths(l *Log) {
	list, other := l.domains("site", 200, 4), addresses("user", 200, "open.example")
	dead, living := l.sample(list, len(list)/3)
	for _, day := range []int{0, 60} {
		refused := set()
		if day > 0 {
			refused = set(dead)
		}
		l.mail(day, 9, 12, "mx1.hoster.example", list, refused, unknownUser)
		l.mail(day, 8, 18, "mx.open.example", other, nil, "")
	}
	l.truth(Bad, dead)
	l.truth(NotBad, living, other)
}

func oldListInOutage(l *Log) {
	readers, others := l.oldLists()
	dead, living := l.sample(readers, 180)
	l.mailOwn(0, readers, nil)
	for _, day := range []int{55, 58, 59} {
		l.mailOwn(day, others, nil)
	}
	l.mailOwn(60, slices.Concat(readers, others), set(readers, others))
	l.mailOwn(74, readers[:600], set(dead))
	l.mailOwn(74, readers[600:], set(dead))
	l.truth(Bad, dead)
	l.truth(NotBad, living, others)
}

func departmentLeaves(l *Log) {
	list := addresses("staff", 100, "company.example")
	left, living := l.sample(list, 15)
	isLeft, gone := set(left), during(hour(10, 0), hour(30, 0))
	l.mail(0, 6, 7, "mx.company.example", list, nil, "")
	l.daily(30, 25, "mx.company.example", list, func(at time.Time, to string) bool { return isLeft[to] && gone(at, to) })
	l.mail(31, 6, 7, "mx.company.example", list, isLeft, unknownUser)
	l.truth(Bad, left)
	l.truth(NotBad, living)
}

func smallCompaniesClose(l *Log) {
	var list []string
	for i := range 10 {
		list = append(list, addresses("staff", 3, "closed"+string(rune('a'+i))+".example")...)
	}
	other := addresses("user", 200, "open.example")
	for week := range 6 {
		refused := set()
		if week >= 3 {
			refused = set(list)
		}
		l.mailOwn(7*week, list, refused)
		l.mailOwn(7*week, other, nil)
	}
	l.truth(Bad, list)
	l.truth(NotBad, other)
}

func freeProviderEnds(l *Log) {
	var list []string
	for _, domain := range []string{"free.example", "mail.example", "post.example"} {
		list = append(list, addresses("user", 60, domain)...)
	}
	ended := func(at time.Time, _ string) bool { return !at.Before(hour(20, 0)) }
	for week := range 7 {
		refused := set()
		if week >= 3 {
			refused = set(list)
		}
		l.mail(7*week, 9, 11, "mx.free.example", list, refused, unknownUser)
	}
	l.daily(45, 20, "mx.free.example", list, ended)
	l.truth(Bad, list)
}
