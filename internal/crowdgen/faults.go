package crowdgen

import (
	"fmt"
	"slices"
	"strings"
)

// unrouteable is what Exim says if none of its routers takes an address.
const unrouteable = "Unrouteable address"

// ownRelay returns the mail server of the domain of an address.
func ownRelay(a string) string {
	_, domain, _ := strings.Cut(a, "@")
	return "mx." + domain
}

func twoDays(l *Log) {
	list, hosted := addresses("user", 200, "mail.example"), l.domains("site", 40, 3)
	staff := addresses("staff", 20, "open.example")
	for _, day := range []int{0, 7, 14, 15} {
		refused := set()
		if day >= 14 {
			refused = set(list, hosted)
		}
		l.mail(day, 8, 18, "mx.mail.example", list, refused, unknownUser)
		l.mail(day, 8, 18, "mx1.hoster.example", hosted, refused, unknownUser)
		l.mail(day, 8, 18, "mx.open.example", staff, nil, "")
	}
	// Of the hosted domains, those of the second half get no mail again.
	l.mail(16, 12, 18, "mx.mail.example", list[:60], nil, "")
	l.mail(16, 12, 18, "mx1.hoster.example", hosted[:len(hosted)/2], nil, "")
	l.truth(NotBad, list, hosted, staff)
}

func twoWholeDays(l *Log) {
	list := addresses("user", 100, "mail.example")
	dead, living := list[:5], list[5:]
	l.mail(0, 8, 18, "mx.mail.example", list, nil, "")
	l.mail(7, 0, 2, "mx.mail.example", list, set(list), unknownUser)
	l.mail(8, 22, 24, "mx.mail.example", list, set(list), unknownUser) // 44 hours later or more
	l.mail(9, 8, 18, "mx.mail.example", living[:30], nil, "")
	l.mail(10, 8, 18, "mx.mail.example", dead, set(dead), unknownUser)
	l.truth(NotBad, living)
	l.truth(Bad, dead)
}

func slowDays(l *Log) {
	list := addresses("staff", 12, "company.example")
	for day := range 10 {
		part, _ := l.sample(list, 5)
		l.mail(day, 8, 18, "mx.company.example", part, nil, "")
	}
	l.mail(10, 8, 18, "mx.company.example", list, nil, "")
	for i := range 3 {
		part := list[4*i : 4*i+4]
		l.mail(11+i, 8, 18, "mx.company.example", part, set(part), unknownUser)
	}
	l.mail(14, 8, 18, "mx.company.example", list[:3], nil, "")
	l.truth(NotBad, list[:3])
	l.truth(Suspect, list[3:])
}

func ownRouter(l *Log) {
	list := l.domains("customer", 60, 2)
	for day := range 3 {
		for _, a := range list {
			l.sent(l.between(day, 8, 18), a, ownRelay(a))
		}
	}
	for i, a := range list {
		l.refused(l.between(3, 9, 10), a, "", unrouteable)
		if i%2 == 0 {
			l.sent(l.between(4, 8, 18), a, ownRelay(a))
		}
	}
	l.truth(NotBad, list)
}

func fewSingles(l *Log) {
	list := l.domains("site", 7, 1)
	other := l.domains("other", 40, 1)
	for _, day := range []int{0, 7, 14} {
		l.mail(day, 8, 10, "mx1.hoster.example", list, nil, "")
		l.mail(day, 0, 24, "mx.mail.example", other, nil, "")
	}
	l.mail(21, 8, 9, "mx1.hoster.example", list, set(list), unknownUser)
	l.mail(21, 0, 24, "mx.mail.example", other, nil, "")
	l.truth(Suspect, list)
	l.truth(NotBad, other)
}

func firstMailInOutage(l *Log) {
	list := addresses("new", 100, "mail.example")
	l.mail(0, 8, 10, "mx.mail.example", list, set(list), unknownUser)
	l.mail(1, 8, 10, "mx.mail.example", list[:50], nil, "")
	l.truth(NotBad, list)
}

func catchAllEnds(l *Log) {
	list := addresses("user", 60, "company.example")
	real, made := list[:10], list[10:]
	for week := range 4 {
		l.mail(7*week, 8, 10, "mx.company.example", list, nil, "")
	}
	for week := 4; week < 7; week++ {
		l.mail(7*week, 8, 10, "mx.company.example", slices.Concat(real, made), set(made), unknownUser)
	}
	l.truth(NotBad, real)
	l.truth(Bad, made)
}

func dirtyImport(l *Log) {
	known, bought := l.domains("site", 100, 2), []string{}
	for i := range 100 {
		bought = append(bought, addresses("bought", 3, fmt.Sprintf("site%d.example", i))...)
	}
	dead, living := l.sample(bought, 120)
	for day := range 2 {
		l.mail(day, 8, 18, "mx1.hoster.example", known, nil, "")
	}
	l.mail(2, 8, 10, "mx1.hoster.example", bought, set(dead), unknownUser)
	l.truth(NotBad, known, living)
	l.truth(Bad, dead)
}
