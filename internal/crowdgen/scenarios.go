package crowdgen

import (
	"fmt"
	"slices"
	"strings"
)

// Scenarios lists all scenarios. The functions of the attacks are in attacks.go, those
// of faults that last or that are our own in faults.go, those of few or old addresses in
// parts.go.
var Scenarios = []Scenario{
	{"provider-outage", "A provider refuses 30 % of 20,000 reached addresses for six hours. The next day half of them get mail again.", providerOutage},
	{"resolver", "Our own resolver answers NXDOMAIN to everything for an hour.", resolver},
	{"resolver-partly", "Our own resolver answers NXDOMAIN to a quarter of the queries for six hours.", resolverPartly},
	{"resolver-seldom", "Our own resolver answers NXDOMAIN to 6 % of the queries for eight hours.", resolverSeldom},
	{"dirty-list", "A purchased list of 5,000 addresses, 40 % of them unknown, at a provider with other mail.", dirtyList},
	{"company-closes", "A company with 40 reached addresses closes, and gets mail twice more.", companyCloses},
	{"churn", "A newsletter to 20,000 addresses at a provider, of which 3 % have ceased to exist since the last one.", churn},
	{"steady-churn", "Mail all day to 5,000 addresses at a provider; every day 15 cease to exist.", steadyChurn},
	{"uncleaned-list", "A list that is never cleaned: 15 % of it do not exist, and each newsletter finds 2 % more.", uncleanedList},
	{"small-domains", "A newsletter to 3,000 domains at one provider, one address each. 2 % do not exist.", smallDomains},
	{"directory-down", "The directory server of a company with 50 addresses is down for two hours.", directoryDown},
	{"small-company", "The directory server of a company with eight addresses is down for an hour.", smallCompany},
	{"hoster", "A hoster of 300 domains, one to three addresses each, refuses everything for an hour.", hoster},
	{"hoster-singles", "A hoster of 200 domains, one address each, refuses everything for an hour, among much other mail.", hosterSingles},
	{"hoster-few-of-many", "A hoster of 31 domains, one address each, refuses everything for two hours, among much other mail.", hosterFewOfMany},
	{"hoster-slow", "The same outage, but it lasts eight hours.", func(l *Log) { l.hosterOf31(9, 17) }},
	{"hoster-churn", "A weekly newsletter to 3,000 domains at one hoster, of which 25 cease to exist each week.", hosterChurn},
	{"shared-hosting", "A server of 150 domains, whose MX records all have names of their own, refuses everything for an hour.", sharedHosting},
	{"shared-hosting-singles", "A server of 31 domains with names of their own, one address each, refuses everything for two hours, among much other mail.", sharedHostingSingles},
	{"shared-hosting-churn", "A weekly newsletter to 400 domains of such a server, of which three cease to exist each week, and a monthly one, of which 15 do.", sharedHostingChurn},
	{"smart-host", "A smart host takes all mail, and refuses everything for half an hour.", smartHost},
	{"slow", "A company with 60 addresses refuses all for 20 hours, three mails an hour.", slow},
	{"sentences", "A provider refuses 40 % for three hours, with three different replies.", sentences},
	{"mixed", "An outage of a provider, with ordinary churn and a purchased list at the same time.", mixed},
	{"relapse", "A provider has an outage on two days, a week apart, with mail accepted between.", relapse},
	{"steady-outage", "Mail all day to a provider, which refuses 40 % for one hour.", steadyOutage},
	{"domain-lapses", "Two domains of a list of 300 cease to exist.", domainLapses},
	{"strangers-domains", "An attacker has three domains at a provider and refuses thousands of mails there, while other addresses there cease to exist.", strangersDomains},
	{"strangers-every-day", "The same every day, to keep one dead address suspect.", strangersEveryDay},
	{"two-days", "A provider and a hoster of 40 domains refuse everything on two working days.", twoDays},
	{"two-whole-days", "A provider refuses everything for two days, and 5 % of the addresses do not exist.", twoWholeDays},
	{"slow-days", "A company with 12 addresses refuses everything for three days, four mails a day.", slowDays},
	{"own-router", "Our own mail server routes nothing for an hour.", ownRouter},
	{"few-singles", "A hoster of seven domains, one address each, refuses everything for an hour.", fewSingles},
	{"first-mail-in-outage", "A provider refuses the first mail to 100 addresses, and takes the second to half of them.", firstMailInOutage},
	{"catch-all-ends", "A company of ten people has accepted mail to any name, and stops to.", catchAllEnds},
	{"dirty-import", "300 new addresses in the domains of a hoster, 40 % of them unknown.", dirtyImport},
	{"three-days", "A provider refuses everything for three days. Each day 60 of 200 addresses get mail.", threeDays},
	{"weekend", "A company with 15 addresses refuses everything from Friday evening to Monday morning, three mails a day.", weekend},
	{"migration", "A provider refuses a tenth of its users for six hours while it migrates.", migration},
	{"migration-in-groups", "A provider migrates for two days. Each group of users is refused for three hours.", migrationInGroups},
	{"hosted-directory", "The directory of half of the users of a hoster's 120 domains is down for three hours.", hostedDirectory},
	{"flapping", "One of two servers of a provider refuses everything for two days.", flapping},
	{"outage-with-dead", "A company refuses a newsletter as a whole, and three of its 30 addresses do not exist.", outageWithDead},
	{"bought-dead", "A purchased list of 40 domains with other mail, of which 70 % do not exist.", boughtDead},
	{"old-list", "A list of 40 domains that got no mail for a year, and then two newsletters. 40 % do not exist any more.", oldList},
	{"shut-weekly", "A company closes, and half of its addresses get mail once a week.", shutWeekly},
	{"shut-daily", "A company of five closes, and one of them gets mail each day.", shutDaily},
	{"closes-accounts", "A provider deletes 12 % of its accounts between two newsletters.", closesAccounts},
	{"cleaning", "A newsletter to 300 domains and a provider, of which 4 % do not exist.", cleaning},
	{"refuses-first", "A provider refuses each first attempt as an unknown user, and takes the second.", refusesFirst},
	{"newsletter-twice", "A newsletter meets outages of a provider in two weeks, and other mail to the provider does not.", newsletterTwice},
	{"readers-gone", "All readers of a newsletter at a provider cease to exist, and it is sent three times more.", readersGone},
	{"hoster-weekend", "A hoster of 120 domains refuses everything from Friday evening to Sunday night.", hosterWeekend},
	{"stranger-guesses", "An attacker makes us write to thousands of addresses that do not exist, while others cease to exist.", strangerGuesses},
	{"smart-host-table", "A gateway of 40 domains loses its table for two hours and refuses everyone, also new addresses.", smartHostTable},
	{"failing-lookups", "The directory of a company with 200 addresses fails for a third of all look-ups, for three days.", failingLookups},
	{"one-address-listed", "One of our two IPs is listed at a provider, which refuses half of the mail of a day as unknown users.", oneAddressListed},
	{"company-moves", "A company with 60 addresses moves, and 20 mailboxes are created a day late.", companyMoves},
	{"company-moves-and-cleans", "A company moves, and six of its 60 mailboxes are not taken along.", companyMovesAndCleans},
	{"domain-retired", "A provider retires one of its domains with 300 readers of a weekly newsletter.", domainRetired},
	{"imported-once", "2,000 new addresses in 400 domains with other mail are mailed once; 35 % do not exist.", importedOnce},
	{"two-senders", "One sender writes to buyers all day, another to a purchased list at the same provider, which has an outage the day after.", twoSenders},
	{"newsletter-in-pieces", "A newsletter is sent in five pieces on five days, and the third one meets an outage of half of the attempts.", newsletterInPieces},
	{"wrong-resolver", "A wrong resolver finds no domain for an hour, and three domains are gone for good.", wrongResolver},
	{"directory-partly", "The directory of a provider with 2,000 addresses has lost 100 of them for eight hours.", directoryPartly},
	{"university-july", "A university closes 5 % of its accounts between two weekly newsletters.", universityJuly},
	{"unsynced-directory", "A company with 200 addresses moves, and the directory of the new servers lacks 40 of them for two days.", unsyncedDirectory},
	{"directory-partly-daily", "The directory of a provider with 1,000 addresses has lost 7 % of them for four hours; most get mail each day.", directoryPartlyDaily},
	{"lookups-seldom", "The directory of a provider fails for 2.5 % of all look-ups, for three days; most addresses get mail each day.", lookupsSeldom},
	{"few-of-customer", "A company with eight addresses refuses three mails, which are all that it gets on that day.", fewOfCustomer},
	{"hoster-daily", "A hoster of 30 domains, one address each, with mail nearly each day, refuses twelve mails in three hours among 750 others.", hosterDaily},
	{"list-after-two-months", "A newsletter to three providers after two months. A quarter of the readers do not exist any more.", listAfterTwoMonths},
	{"hosted-list-after-two-months", "The same to 200 domains of a hoster, of which a third do not exist any more.", hostedListAfterTwoMonths},
	{"old-list-in-outage", "The same newsletter, but the providers refuse everything, and two weeks later once more.", oldListInOutage},
	{"department-leaves", "Of a company's 100 addresses 15 cease to exist on one day, and each gets mail twice a week.", departmentLeaves},
	{"small-companies-close", "Ten companies with three addresses each close, and get a weekly newsletter.", smallCompaniesClose},
	{"free-provider-ends", "A provider with three domains ends its service, and gets a few mails a day and a weekly newsletter.", freeProviderEnds},
	{"backend-down", "A third of the mailboxes of a provider are refused for eight hours.", backendDown},
}

func providerOutage(l *Log) {
	list := addresses("user", 20000, "gmail.com")
	dead, living := l.sample(list, 100)
	l.mail(0, 8, 20, googleRelay, list, nil, "")
	isDead := set(dead)
	for _, a := range list {
		switch at := l.between(7, 12, 18); {
		case isDead[a], l.rng.Float64() < 0.3:
			l.refused(at, a, googleRelay, noSuchUser)
		default:
			l.sent(at, a, googleRelay)
		}
	}
	again, _ := l.sample(living, 10000)
	l.mail(8, 8, 20, googleRelay, slices.Concat(again, dead), set(dead), noSuchUser)
	l.truth(NotBad, living)
	l.truth(Bad, dead)
}

// domains returns addresses in many domains, from one to three in each.
func (l *Log) domains(name string, n, most int) (list []string) {
	for i := range n {
		list = append(list, addresses("user", 1+l.rng.IntN(most), fmt.Sprintf("%s%d.example", name, i))...)
	}
	return list
}

func (l *Log) resolverFails(from, to, share float64) {
	list := l.domains("customer", 300, 3)
	strangers := l.domains("typo", 20, 1) // never reached, and not found in that hour
	for day := range 2 {
		for _, a := range list {
			l.sent(l.between(day, 8, 18), a, "mx."+a[len(a)-10:])
		}
	}
	for _, a := range list {
		if at := l.between(2, from-1, to+1); at.Before(hour(2, from)) || at.After(hour(2, to)) || l.rng.Float64() > share {
			l.sent(at, a, "mx.mail.example")
		} else {
			l.notFound(at, a)
		}
	}
	for _, a := range strangers {
		l.notFound(l.between(2, from+0.3, to-0.3), a)
	}
	l.truth(NotBad, list, strangers)
}

func resolver(l *Log)       { l.resolverFails(10, 11, 1) }
func resolverPartly(l *Log) { l.resolverFails(10, 16, 0.25) }
func resolverSeldom(l *Log) { l.resolverFails(9, 17, 0.06) }

func dirtyList(l *Log) {
	known := addresses("known", 4000, "gmx.example")
	list := addresses("bought", 5000, "gmx.example")
	dead, living := l.sample(list, 2000)
	l.mail(0, 8, 20, "mx.gmx.example", known, nil, "")
	l.mail(1, 8, 20, "mx.gmx.example", known, nil, "")
	l.mail(1, 10, 11, "mx.gmx.example", list, set(dead), unknownUser)
	l.truth(Bad, dead)
	l.truth(NotBad, living, known)
}

func companyCloses(l *Log) {
	list := addresses("staff", 40, "closed.example")
	other := addresses("user", 500, "open.example")
	for day := range 3 {
		l.mail(day, 8, 18, "mx.closed.example", list, nil, "")
		l.mail(day, 8, 18, "mx.open.example", other, nil, "")
	}
	for _, day := range []int{3, 5} {
		l.mail(day, 8, 18, "mx.closed.example", list, set(list), unknownUser)
		l.mail(day, 8, 18, "mx.open.example", other, nil, "")
	}
	l.truth(Bad, list)
}

func churn(l *Log) {
	list := addresses("user", 20000, "gmail.com")
	dead, living := l.sample(list, 600)
	l.mail(0, 9, 11, googleRelay, list, nil, "")
	l.mail(28, 9, 11, googleRelay, list, set(dead), noSuchUser)
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}

func steadyChurn(l *Log) {
	list := addresses("user", 5000, "mail.example")
	l.mail(0, 0, 24, "mx.mail.example", list, nil, "")
	for day := 1; day < 8; day++ {
		dead, living := l.sample(list, 15)
		l.mail(day, 0, 24, "mx.mail.example", list, set(dead), unknownUser)
		l.truth(Bad, dead)
		list = living // the list is cleaned every day
	}
}

func uncleanedList(l *Log) {
	list := addresses("user", 5000, "mail.example")
	l.mail(0, 9, 12, "mx.mail.example", list, nil, "")
	dead, living := l.sample(list, 750)
	for week := range 6 {
		l.mail(7+7*week, 9, 12, "mx.mail.example", list, set(dead), unknownUser)
		l.truth(Bad, dead)
		if week == 0 {
			// 15 % at once look like an outage; the second refusal decides.
			continue
		}
		var more []string
		more, living = l.sample(living, 80)
		dead = append(dead, more...)
	}
	l.Truth = make(map[string]Truth)
	l.truth(Bad, dead[:len(dead)-80]) // the last got no mail since
}

func smallDomains(l *Log) {
	var list []string
	for i := range 3000 {
		list = append(list, fmt.Sprintf("info@shop%d.example", i))
	}
	dead, living := l.sample(list, 60)
	l.mail(0, 9, 11, workspaceRelay, list, nil, "")
	l.mail(28, 9, 11, workspaceRelay, list, set(dead), noSuchUser)
	l.truth(Bad, dead)
	l.truth(NotBad, living)
}

func directoryDown(l *Log) {
	list := addresses("staff", 50, "company.example")
	other := addresses("user", 3000, "mail.example")
	for day := range 4 {
		l.mail(day, 8, 18, "mx.company.example", list, nil, "")
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.mail(4, 8, 18, "mx.mail.example", other, nil, "")
	l.mail(4, 10, 12, "mx.company.example", list, set(list), unknownUser)
	l.truth(Suspect, list[:25])
	l.truth(NotBad, list[25:])
	l.mail(5, 8, 18, "mx.company.example", list[25:], nil, "")
}

func smallCompany(l *Log) {
	list := addresses("staff", 8, "small.example")
	for day := range 4 {
		l.mail(day, 8, 18, "mx.small.example", list, nil, "")
	}
	l.mail(4, 10, 11, "mx.small.example", list, set(list), unknownUser)
	l.truth(Suspect, list)
}

func hoster(l *Log) {
	list := l.domains("site", 300, 3)
	other := addresses("user", 3000, "mail.example")
	for day := range 2 {
		l.mail(day, 8, 18, fmt.Sprintf("mx%d.hoster.example", day), list, nil, "")
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	for _, a := range list {
		if at := l.between(2, 8, 18); !at.Before(hour(2, 10)) && at.Before(hour(2, 11)) {
			l.refused(at, a, fmt.Sprintf("mx%d.hoster.example", l.rng.IntN(3)), unknownUser)
		} else {
			l.sent(at, a, "mx1.hoster.example")
		}
	}
	l.mail(2, 8, 18, "mx.mail.example", other, nil, "")
	l.truth(NotBad, list)
}

func hosterSingles(l *Log) {
	list := l.domains("site", 200, 1)
	other := l.domains("other", 3000, 3)
	for day := range 2 {
		l.mail(day, 8, 18, "mx1.hoster.example", list, nil, "")
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.mail(2, 10, 11, "mx1.hoster.example", list, set(list), unknownUser)
	dead, _ := l.sample(other, 10)
	l.mail(2, 9, 13, "mx.mail.example", other, set(dead), unknownUser)
	l.truth(NotBad, list)
	l.truth(Bad, dead)
}

func sharedHosting(l *Log) {
	list := l.domains("site", 150, 3)
	other := addresses("user", 3000, "mail.example")
	for day := range 3 {
		if day < 2 {
			l.mailShared(day, 8, 18, list, nil)
		} else {
			l.mailShared(day, 10, 11, list, set(list))
		}
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.truth(NotBad, list)
}

// mailShared adds an attempt to each address of a list, as mail does. Each domain names
// the server after itself.
func (l *Log) mailShared(day int, from, to float64, list []string, dead map[string]bool) {
	for _, a := range list {
		_, domain, _ := strings.Cut(a, "@")
		l.mail(day, from, to, "mail."+domain, []string{a}, dead, unknownUser)
	}
}

func sharedHostingSingles(l *Log) {
	list, other := l.domains("site", 31, 1), addresses("user", 2000, "mail.example")
	for day := range 7 {
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.mailShared(0, 9, 12, list, nil)
	l.mailShared(6, 10, 12, list, set(list))
	l.truth(NotBad, list)
}

func hosterFewOfMany(l *Log) { l.hosterOf31(10, 12) }

func (l *Log) hosterOf31(from, to float64) {
	list, other := l.domains("site", 31, 1), addresses("user", 2000, "mail.example")
	for day := range 7 {
		l.mail(day, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.mail(0, 9, 12, "mx1.hoster.example", list, nil, "")
	l.mail(6, from, to, "mx1.hoster.example", list, set(list), unknownUser)
	l.truth(NotBad, list)
}

func hosterChurn(l *Log) {
	list := l.domains("site", 3000, 1)
	var dead []string
	for week := range 5 {
		dead = list[:25*week]
		l.mail(7*week, 9, 15, "mx1.hoster.example", list, set(dead), unknownUser)
	}
	l.truth(Bad, dead)
	l.truth(NotBad, list[len(dead):])
}

func sharedHostingChurn(l *Log) {
	weekly, monthly, other := l.domains("site", 400, 1), l.domains("shop", 500, 1), addresses("user", 800, "mail.example")
	var dead, gone []string
	for week := range 6 {
		if week > 0 {
			dead = weekly[:3*week]
		}
		if week > 3 {
			gone = monthly[:15]
		}
		l.mailShared(7*week, 9, 12, weekly, set(dead))
		if week == 0 || week == 4 {
			l.mailShared(7*week+2, 9, 12, monthly, set(gone))
		}
		l.mail(7*week, 8, 18, "mx.mail.example", other, nil, "")
	}
	l.truth(Bad, dead, gone)
	l.truth(NotBad, weekly[len(dead):], monthly[len(gone):])
}

func smartHost(l *Log) {
	list := slices.Concat(l.domains("customer", 100, 4), addresses("user", 300, "mail.example"))
	for day := range 3 {
		l.mail(day, 8, 12, "smarthost.isp.example", list, nil, "")
	}
	down, up := l.sample(list, 250)
	l.mail(3, 9, 9.5, "smarthost.isp.example", down, set(down), unknownUser)
	l.mail(3, 9.6, 12, "smarthost.isp.example", up, nil, "")
	l.truth(NotBad, list)
}

func slow(l *Log) {
	list := addresses("staff", 60, "slow.example")
	for day := range 2 {
		l.mail(day, 8, 18, "mx.slow.example", list, nil, "")
	}
	for i, a := range list {
		l.refused(hour(3, 1+float64(i)/3), a, "mx.slow.example", unknownUser)
	}
	l.truth(Suspect, list)
}

func sentences(l *Log) {
	list := addresses("user", 3000, "mail.example")
	replies := []string{unknownUser, disabledReply, "550 No such user here"}
	for day := range 2 {
		l.mail(day, 8, 18, "mx.mail.example", list, nil, "")
	}
	for _, a := range list {
		if at := l.between(2, 9, 12); l.rng.Float64() < 0.4 {
			l.refused(at, a, "mx.mail.example", replies[l.rng.IntN(len(replies))])
		} else {
			l.sent(at, a, "mx.mail.example")
		}
	}
	l.truth(NotBad, list)
}

func mixed(l *Log) {
	list := addresses("user", 6000, "mail.example")
	dead, living := l.sample(list, 60)
	bought := addresses("bought", 1000, "mail.example")
	unknown, _ := l.sample(bought, 400)
	l.mail(0, 8, 20, "mx.mail.example", list, nil, "")
	before, rest := dead[:30], dead[30:]
	// In the morning the dead are refused as usual, from 14:00 to 16:00 a third of the
	// living as well.
	morning, noon := living[:3000], living[3000:]
	l.mail(1, 8, 12, "mx.mail.example", slices.Concat(morning, before), set(before), unknownUser)
	refused, accepted := l.sample(noon, 1000)
	l.mail(1, 14, 16, "mx.mail.example", slices.Concat(accepted, refused, rest), set(refused, rest), unknownUser)
	l.mail(1, 13, 17, "mx.mail.example", bought, set(unknown), unknownUser)
	l.truth(NotBad, living)
	l.truth(Bad, before, unknown)
	l.truth(Suspect, rest, refused)
}

func relapse(l *Log) {
	list := addresses("user", 2000, "mail.example")
	dead, living := l.sample(list, 20)
	l.mail(0, 8, 20, "mx.mail.example", list, nil, "")
	for _, day := range []int{2, 9} {
		refused, accepted := l.sample(living, 600)
		l.mail(day, 10, 12, "mx.mail.example", slices.Concat(accepted, refused, dead), set(refused, dead), unknownUser)
	}
	l.truth(NotBad, living)
}

func steadyOutage(l *Log) {
	list := addresses("user", 4800, "mail.example")
	dead, living := l.sample(list, 20)
	l.mail(0, 0, 24, "mx.mail.example", list, nil, "")
	for _, a := range living {
		if at := l.between(1, 0, 24); !at.Before(hour(1, 13.4)) && at.Before(hour(1, 14.4)) && l.rng.Float64() < 0.4 {
			l.refused(at, a, "mx.mail.example", unknownUser)
		} else {
			l.sent(at, a, "mx.mail.example")
		}
	}
	for _, a := range dead {
		l.refused(l.between(1, 0, 12), a, "mx.mail.example", unknownUser)
	}
	l.truth(NotBad, living)
	l.truth(Bad, dead)
}

func domainLapses(l *Log) {
	list := l.domains("customer", 300, 3)
	for _, a := range list {
		l.sent(l.between(0, 8, 18), a, "mx.mail.example")
	}
	for i, a := range list {
		if i < 2 {
			l.notFound(l.between(3, 9, 10), a)
			l.truth(Bad, []string{a})
		} else {
			l.sent(l.between(3, 9, 12), a, "mx.mail.example")
		}
	}
}
