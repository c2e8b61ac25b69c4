package crowdgen

import (
	"fmt"
	"slices"
)

// strangers returns addresses in three domains of an attacker, at the provider of
// the other addresses.
func strangers(n int) (all []string) {
	for i := range 3 {
		all = append(all, addresses("x", n, fmt.Sprintf("stranger%d.example", i))...)
	}
	return all
}

func strangersDomains(l *Log) {
	list := addresses("user", 5000, "gmail.com")
	dead, living := l.sample(list, 25)
	theirs := strangers(1000)
	l.mail(0, 8, 20, googleRelay, list, nil, "")
	l.mail(0, 8, 20, workspaceRelay, theirs, nil, "")
	l.mail(3, 9, 12, googleRelay, list, set(dead), noSuchUser)
	l.mail(3, 9, 12, workspaceRelay, theirs, set(theirs), noSuchUser)
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}

func strangersEveryDay(l *Log) {
	list := addresses("user", 500, "gmail.com")
	dead, small := "dead@gmail.com", "dead@small.example"
	theirs := strangers(50)
	others := addresses("staff", 10, "small.example")
	l.mail(0, 8, 20, googleRelay, slices.Concat(list, []string{dead}), nil, "")
	l.mail(0, 8, 20, workspaceRelay, slices.Concat(others, []string{small}), nil, "")
	for day := 1; day < 20; day++ {
		l.mail(day, 6, 8, workspaceRelay, theirs, nil, "") // they accept mail again
		l.mail(day, 9, 20, workspaceRelay, theirs, set(theirs), noSuchUser)
		l.mail(day, 9, 20, googleRelay, slices.Concat(list, []string{dead}), set([]string{dead}), noSuchUser)
		l.mail(day, 9, 20, workspaceRelay, slices.Concat(others, []string{small}), set([]string{small}), noSuchUser)
	}
	l.truth(Bad, []string{dead, small})
	l.truth(NotBad, list, others)
}

func strangerGuesses(l *Log) {
	list := addresses("user", 2000, "mail.example")
	dead, living := l.sample(list, 15)
	guessed := addresses("guess", 5000, "mail.example")
	l.mail(0, 8, 20, "mx.mail.example", list, nil, "")
	l.mail(3, 9, 12, "mx.mail.example", list, set(dead), unknownUser)
	l.mail(3, 9, 12, "mx.mail.example", guessed, set(guessed), unknownUser)
	l.truth(Bad, dead, guessed)
	l.truth(NotBad, living)
}
