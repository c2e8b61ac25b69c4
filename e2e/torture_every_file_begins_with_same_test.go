package e2e

import "strings"

func tortureEveryFileBeginsWithSame(x *tortured) {
	x.start()
	for range 6 {
		_, err := x.f.WriteString(strings.Repeat("Nov 23 00:00:00 mx syslogd: restart\n", 40))
		x.check(err)
		x.bounces(30)
		x.rotate()
	}
}
