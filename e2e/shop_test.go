package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// shop writes the log of an online shop that sends news and orders, of the last days.
type shop struct {
	lines strings.Builder
	rng   *rand.Rand
	n     int
}

// receiver is a server that mail is sent to, with domains of customers.
type receiver struct {
	relay   string
	domains []string
	accepts string
}

var receivers = []receiver{
	{"gmail-smtp-in.l.google.com[192.0.2.27]:25", []string{"riverside.example", "hillside.example", "larch.example"}, "250 2.0.0 OK"},
	{"shop-example.mail.protection.outlook.com[198.51.100.10]:25", []string{"brightbakery.example", "tandem.example"}, "250 2.6.0 Queued mail for delivery"},
	{"mta5.am0.yahoodns.net[203.0.113.74]:25", []string{"meadow.example"}, "250 ok dirdel"},
	{"mx1.oakfield.example[192.0.2.80]:25", []string{"oakfield.example"}, "250 2.0.0 Ok: queued"},
}

var firstNames = strings.Fields("amelia jonas lena otto noah freja mia hugo clara emil ida nils theo ada olga piotr maria li omar jane")

// attempt writes the lines of a message that is tried once.
func (s *shop) attempt(at time.Time, sender, to, relay, dsn, status, reply string) {
	s.n++
	if status != "sent" {
		reply = fmt.Sprintf("host %s said: %s (in reply to RCPT TO command)", strings.TrimSuffix(relay, ":25"), reply)
	}
	stamp, id := at.UTC().Format("2006-01-02T15:04:05.000000+00:00"), fmt.Sprintf("4F%06XzK9s", s.n)
	fmt.Fprintf(&s.lines, "%s mx postfix/cleanup[811]: %s: message-id=<%d@shop.example>\n", stamp, id, s.n)
	fmt.Fprintf(&s.lines, "%s mx postfix/qmgr[470]: %s: from=<%s>, size=4821, nrcpt=1 (queue active)\n", stamp, id, sender)
	fmt.Fprintf(&s.lines, "%s mx postfix/smtp[814]: %s: to=<%s>, relay=%s, delay=1.2, delays=0.1/0/0.6/0.5, dsn=%s, status=%s (%s)\n", stamp, id, to, relay, dsn, status, reply)
	fmt.Fprintf(&s.lines, "%s mx postfix/qmgr[470]: %s: removed\n", stamp, id)
}

// mail tries one message to a customer. Google refuses all mail since a time.
func (s *shop) mail(at, refusedSince time.Time) {
	r := &receivers[min(s.rng.IntN(7), s.rng.IntN(4))]
	n := s.rng.IntN(4000)
	to := fmt.Sprintf("%s.%d@%s", firstNames[n%len(firstNames)], n, r.domains[n%len(r.domains)])
	sender := "news@shop.example"
	if s.rng.IntN(4) == 0 {
		sender = "orders@shop.example"
	}
	switch k := n % 100; {
	case r == &receivers[0] && at.After(refusedSince):
		s.attempt(at, sender, to, r.relay, "5.7.26", "bounced", "550-5.7.26 Unauthenticated email from shop.example is not accepted due to 550-5.7.26 domain's DMARC policy. Please contact the administrator of shop.example")
	case k < 2:
		s.attempt(at, sender, to, r.relay, "5.1.1", "bounced", fmt.Sprintf("550 5.1.1 <%s>: Recipient address rejected: User unknown", to))
	case k < 3:
		s.attempt(at, sender, to, r.relay, "5.2.2", "bounced", "552 5.2.2 Mailbox full")
	case k < 5:
		s.attempt(at, sender, to, r.relay, "4.2.0", "deferred", fmt.Sprintf("450 4.2.0 <%s>: Recipient address rejected: Greylisted", to))
	case k == 5 && r == &receivers[1]:
		s.attempt(at, sender, to, r.relay, "5.7.1", "bounced", "550 5.7.1 Service unavailable, Client host [203.0.113.9] blocked using Spamhaus. To request removal from this list see https://www.spamhaus.org/query/ip/203.0.113.9")
	case k == 6 && r == &receivers[3]:
		s.attempt(at, sender, to, r.relay, "5.0.0", "bounced", fmt.Sprintf("550 The request %d cannot be met in the department of parcels", s.rng.IntN(1000)))
	default:
		s.attempt(at, sender, to, r.relay, "2.0.0", "sent", r.accepts)
	}
}

// shopLog returns the log of three weeks. It ends with replies of an attacker.
func shopLog(now time.Time, attacks []string) string {
	s := &shop{rng: rand.New(rand.NewPCG(1, 25))}
	for at := now.AddDate(0, 0, -21); at.Before(now); at = at.Add(time.Duration(4+s.rng.IntN(8)) * time.Minute) {
		// Little is sent at night.
		for range max(1, 7-(at.Hour()-13)*(at.Hour()-13)/12) {
			s.mail(at.Add(time.Duration(s.rng.IntN(120))*time.Second), now.Add(-100*time.Minute))
		}
	}
	for i, reply := range attacks {
		s.attempt(now, "news@shop.example", fmt.Sprintf("hostile%d@example.com", i), "mx.example.com[192.0.2.1]:25", "5.0.0", "bounced", "550 zzqx "+reply)
	}
	return s.lines.String()
}
