package e2e

import (
	"fmt"
	"time"
)

func tortureLinesFragmentsAcrossRenames(x *tortured) {
	x.start()
	for range 10 {
		x.next += 3
		x.fragments(3)
		x.shift()
		old := x.rename(x.path + ".1")
		x.next += 3
		x.fragments(3)
		x.check(old.Close())
		x.create()
	}
}

// fragments writes lines in several parts.
func (l *mailLog) fragments(n int) {
	for range n {
		l.n++
		id := fmt.Sprintf("4F%06X", l.n)
		line := l.stamp() + fmt.Sprintf(" mx postfix/smtp[13]: %s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))\n", id, id)
		l.all.WriteString(line)
		for len(line) > 0 {
			k := min(len(line), 70)
			_, err := l.f.WriteString(line[:k])
			l.check(err)
			line = line[k:]
			time.Sleep(time.Millisecond) // so that they are read separately
		}
	}
}
