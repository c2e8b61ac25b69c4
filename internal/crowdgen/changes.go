package crowdgen

import (
	"fmt"
	"slices"
)

func smartHostTable(l *Log) {
	list := l.domains("customer", 40, 4)
	created := addresses("created", 4, "customer7.example")
	firms := l.domains("prospect", 4, 1) // nobody wrote to these before
	other := addresses("user", 200, "open.example")
	for day := range 3 {
		l.mail(day, 8, 18, "mx1.gateway.example", list, nil, "")
		l.mail(day, 8, 18, "mx.open.example", other, nil, "")
	}
	l.mail(3, 10, 12, "mx1.gateway.example", slices.Concat(list, created, firms), set(list, created, firms), unknownUser)
	l.mail(3, 8, 18, "mx.open.example", other, nil, "")
	l.mail(4, 8, 18, "mx1.gateway.example", list[:len(list)/2], nil, "")
	l.truth(NotBad, list, created, firms, other)
}

func failingLookups(l *Log) {
	list := addresses("staff", 200, "company.example")
	other := addresses("user", 200, "open.example")
	for day := range 14 {
		l.mail(day, 8, 18, "mx.open.example", other, nil, "")
		part, _ := l.sample(list, 120)
		refused := set()
		if day >= 7 && day < 10 {
			failed, _ := l.sample(part, 40)
			refused = set(failed)
		}
		l.mail(day, 7, 20, "mx.company.example", part, refused, unknownUser)
	}
	l.truth(NotBad, list, other)
}

func oneAddressListed(l *Log) {
	list := addresses("user", 400, "mail.example")
	dead, living := list[:5], list[5:]
	other := l.domains("firm", 60, 3)
	l.mail(0, 8, 18, "mx.mail.example", living, nil, "")
	for day := range 10 {
		part, _ := l.sample(living, 150)
		refused := set()
		if day == 6 { // half of the mail leaves from the listed address
			half, _ := l.sample(part, 75)
			refused = set(half)
		}
		l.mail(day, 8, 18, "mx.mail.example", part, refused, unknownUser)
		l.mailOwn(day, other, nil)
	}
	for _, day := range []int{2, 8} {
		l.mail(day, 8, 18, "mx.mail.example", dead, set(dead), unknownUser)
	}
	l.truth(NotBad, living, other)
	l.truth(Bad, dead)
}

func companyMoves(l *Log) {
	list := addresses("staff", 60, "company.example")
	late := list[:20] // created a day after the others
	for day := range 10 {
		part, _ := l.sample(list, 25)
		l.mail(day, 8, 18, "mx.company.example", part, nil, "")
	}
	l.mail(9, 8, 18, "mx.company.example", list, nil, "")
	for _, hours := range [][2]float64{{8, 12}, {12, 18}} {
		part, _ := l.sample(list, 20)
		l.mail(10, hours[0], hours[1], "mx2.newhost.example", part, set(late), unknownUser)
	}
	part, _ := l.sample(list, 15)
	l.mail(11, 8, 12, "mx2.newhost.example", part, set(late), unknownUser)
	for day := 11; day < 14; day++ {
		part, _ := l.sample(list, 25)
		l.mail(day, 13, 18, "mx2.newhost.example", part, nil, "")
	}
	l.truth(NotBad, list)
}

func companyMovesAndCleans(l *Log) {
	list := addresses("staff", 60, "company.example")
	left, living := list[:6], list[6:]
	for day := range 10 {
		l.mail(day, 8, 18, "mx.company.example", list, nil, "")
	}
	for _, day := range []int{10, 11, 14, 17, 21} {
		l.mail(day, 8, 18, "mx2.newhost.example", list, set(left), unknownUser)
	}
	l.truth(Bad, left)
	l.truth(NotBad, living)
}

func domainRetired(l *Log) {
	list, users := addresses("user", 300, "oldbrand.example"), addresses("user", 2000, "brand.example")
	for week := range 10 {
		refused := set()
		if week >= 6 {
			refused = set(list)
		}
		l.mail(7*week, 9, 11, "mx1.provider.example", slices.Concat(list, users), refused, unknownUser)
	}
	l.truth(Bad, list)
	l.truth(NotBad, users)
}

func importedOnce(l *Log) {
	known := l.domains("firm", 400, 2)
	var list []string
	for i := range 400 {
		list = append(list, addresses("imported", 5, fmt.Sprintf("firm%d.example", i))...)
	}
	dead, living := l.sample(list, 700)
	for day := range 3 {
		l.mail(day, 8, 18, "mx1.hoster.example", known[:len(known)/2], nil, "")
		l.mailOwn(day, known[len(known)/2:], nil)
	}
	l.mail(2, 9, 12, "mx1.hoster.example", list[:1000], set(dead), unknownUser)
	l.mailOwn(2, list[1000:], set(dead))
	l.truth(Bad, dead)
	l.truth(NotBad, known, living)
}

func twoSenders(l *Log) {
	orders, bought := addresses("buyer", 300, "mail.example"), addresses("bought", 400, "mail.example")
	dead, living := l.sample(bought, 300)
	for day := range 8 {
		part, _ := l.sample(orders, 80)
		l.mail(day, 0, 24, "mx.mail.example", part, nil, "")
	}
	l.mail(8, 9, 15, "mx.mail.example", orders[:40], nil, "")
	l.mail(8, 9, 15, "mx.mail.example", bought, set(dead), unknownUser)
	l.mail(9, 9, 10, "mx.mail.example", orders[40:100], set(orders[40:100]), unknownUser) // an outage
	l.mail(9, 12, 20, "mx.mail.example", orders[100:200], nil, "")
	l.truth(Bad, dead)
	l.truth(NotBad, living, orders)
}

func newsletterInPieces(l *Log) {
	list := addresses("reader", 5000, "mail.example")
	l.mail(0, 8, 20, "mx.mail.example", list, nil, "")
	for i := range 5 {
		dead, living := l.sample(list[1000*i:1000*i+1000], 10)
		day := 28 + i
		if i != 2 {
			l.mail(day, 9, 17, "mx.mail.example", slices.Concat(living, dead), set(dead), unknownUser)
			l.truth(Bad, dead)
			l.truth(NotBad, living)
			continue
		}
		refused, accepted := l.sample(living, 500)
		l.mail(day, 9, 10, "mx.mail.example", accepted[:150], nil, "")
		l.mail(day, 10, 16, "mx.mail.example", slices.Concat(refused, accepted[150:], dead), set(refused, dead), unknownUser)
		l.truth(NotBad, living)
	}
}

func wrongResolver(l *Log) {
	list := l.domains("customer", 300, 3)
	gone := l.domains("gone", 3, 1)
	for day := range 2 {
		for _, a := range slices.Concat(list, gone) {
			l.sent(l.between(day, 8, 18), a, ownRelay(a))
		}
	}
	for _, a := range list {
		if at := l.between(3, 8, 18); at.Before(hour(3, 11)) || at.After(hour(3, 12)) {
			l.sent(at, a, ownRelay(a))
		} else {
			l.notFound(at, a)
		}
	}
	for _, day := range []int{2, 3, 6} {
		for _, a := range gone {
			l.notFound(l.between(day, 8, 18), a)
		}
	}
	for _, a := range list[:len(list)/2] {
		l.sent(l.between(4, 8, 18), a, ownRelay(a))
	}
	l.truth(NotBad, list)
	l.truth(Bad, gone)
}

func backendDown(l *Log) {
	list := addresses("user", 900, "mail.example")
	down := list[:300]
	l.mail(0, 6, 22, "mx.mail.example", list, nil, "")
	for day := range 7 {
		part, _ := l.sample(list, 300)
		l.mail(day, 6, 22, "mx.mail.example", part, nil, "")
	}
	part, _ := l.sample(list, 300)
	var hit, others []string
	for _, a := range part {
		if set(down)[a] {
			hit = append(hit, a)
		} else {
			others = append(others, a)
		}
	}
	l.mail(7, 8, 16, "mx.mail.example", hit, set(hit), unknownUser)
	l.mail(7, 6, 22, "mx.mail.example", others, nil, "")
	for day := 8; day < 11; day++ {
		part, _ := l.sample(list, 200)
		l.mail(day, 6, 22, "mx.mail.example", part, nil, "")
	}
	l.truth(NotBad, list)
}

func directoryPartly(l *Log) {
	list := addresses("user", 2000, "mail.example")
	lost, others := l.sample(list, 100)
	l.mail(0, 8, 18, "mx.mail.example", list, nil, "")
	l.mail(7, 9, 17, "mx.mail.example", lost, set(lost), unknownUser)
	l.mail(7, 9, 17, "mx.mail.example", others, nil, "")
	l.truth(NotBad, list)
}

func universityJuly(l *Log) {
	list := addresses("student", 600, "university.example")
	dead, living := l.sample(list, 30)
	for week, refused := range []map[string]bool{nil, nil, set(dead), set(dead)} {
		l.mail(7*week, 9, 11, "mx.university.example", list, refused, unknownUser)
	}
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}
